"""How the exported code of the notebooks reads: length of cells and lines, `;`, dataclasses, parameter lists.

    python tools/style.py                      the figures of all notebooks together
    python tools/style.py --each               and a row for each notebook
    python tools/style.py --check              exit status 1 where a goal is missed, with the worst cells
    python tools/style.py --check nbs/api/10_tree.ipynb ...    the same for some notebooks

A line counts where it is not empty and no directive (`#|`). A public function may have more than eight
parameters where its docstring says why in a sentence with the word "parameters", or the text just before or
after its cell in a sentence that also names the function.
"""
from __future__ import annotations
import argparse, ast, io, json, re, statistics, sys, tempfile, tokenize
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONG_CELL, WIDE_LINE = 25, 100
GOALS = dict(median=10, long=.04, wide=.05, semicolons=.01, fields=15, parameters=8)
WORDS = dict(median='median lines of a cell', long='cells over 25 lines', wide='lines over 100 characters',
             semicolons='lines with a semicolon', fields='fields of a dataclass', parameters='parameters of a public function')

@dataclass
class Cell:
    "An exported cell: where it stands, its lines, and the text around it"
    notebook: str
    number: int
    source: str
    around: str = ''

    @property
    def lines(self):
        return [line for line in self.source.split('\n') if line.strip() and not line.startswith('#|')]

    @property
    def name(self):
        "The first thing that the cell defines, or its first line"
        for node in self.tree().body:
            if hasattr(node, 'name'):
                return node.name
        return self.lines[0][:40] if self.lines else ''

    def tree(self):
        return ast.parse(self.source)

    def wide(self):
        return [line for line in self.lines if len(line) > WIDE_LINE]

    def semicolons(self):
        "Numbers of the lines with a `;` outside strings and comments"
        tokens = tokenize.generate_tokens(io.StringIO(self.source).readline)
        return sorted({token.start[0] for token in tokens if token.type == tokenize.OP and token.string == ';'})

    def __str__(self):
        return f'{self.notebook}[{self.number}] {self.name}'

@dataclass
class Summary:
    "What is known of some notebooks: a value for each goal, and who is responsible, worst first"
    values: dict
    worst: dict
    cells: int
    modules: int

    def missed(self):
        return [key for key, value in self.values.items() if value > GOALS[key]]

# reading notebooks

def text_of(cell):
    return ''.join(cell['source'])

def around(cells, number):
    "The Markdown next to a cell"
    near = cells[max(0, number-1):number] + cells[number+1:number+2]
    return '\n'.join(text_of(cell) for cell in near if cell['cell_type'] == 'markdown')

def exported_cells(path):
    cells = json.loads(Path(path).read_text(encoding='utf-8'))['cells']
    out = []
    for number, cell in enumerate(cells):
        source = text_of(cell)
        if cell['cell_type'] == 'code' and re.search(r'^#\|\s*export', source, re.M):
            out.append(Cell(Path(path).stem, number, source, around(cells, number)))
    return out

def module_of(path):
    found = re.search(r'#\|\s*default_exp\s+([\w.]+)', Path(path).read_text(encoding='utf-8'))
    return found[1] if found else None

# dataclasses: fields, those of the bases counted

def decorator_names(node):
    return {ast.unparse(d.func if isinstance(d, ast.Call) else d).split('.')[-1] for d in node.decorator_list}

def own_fields(node):
    names = [item.target.id for item in node.body
             if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
             and 'ClassVar' not in ast.unparse(item.annotation)]
    return names

def all_fields(name, classes):
    "Names of the fields of a class and of its bases"
    if name not in classes:
        return set()
    node = classes[name][1]
    inherited = [all_fields(ast.unparse(base).split('.')[-1], classes) for base in node.bases]
    return set(own_fields(node)).union(*inherited)

def dataclass_sizes(cells):
    "(fields, cell and class) of each dataclass, largest first"
    classes = {node.name: (cell, node) for cell in cells for node in cell.tree().body if isinstance(node, ast.ClassDef)}
    sizes = [(len(all_fields(name, classes)), f'{cell.notebook}[{cell.number}] {name}')
             for name, (cell, node) in classes.items() if 'dataclass' in decorator_names(node)]
    return sorted(sizes, reverse=True)

# parameters of public functions and methods

def parameter_count(node):
    arguments = node.args
    named = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    receiver = bool(named) and named[0].arg in ('self', 'cls')
    return len(named) + bool(arguments.vararg) + bool(arguments.kwarg) - receiver

def functions(tree):
    "Public functions, and the public methods and __init__ of public classes"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith('_'):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and (item.name == '__init__' or not item.name.startswith('_')):
                    yield f'{node.name}.{item.name}', item

def explained(name, node, cell):
    "Whether a sentence says why there are so many"
    sentences = re.split(r'(?<=[.:;!?])\s|\n', cell.around)
    named = [s for s in sentences if re.search(rf'\b{name.split(".")[0]}\b', s)]
    return any('parameters' in text for text in [ast.get_docstring(node) or '', *named])

def parameter_counts(cells):
    "(parameters, cell and function) of each public function that no sentence explains, largest first"
    counts = []
    for cell in cells:
        for name, node in functions(cell.tree()):
            count = parameter_count(node)
            if count <= GOALS['parameters'] or not explained(name, node, cell):
                counts.append((count, f'{cell.notebook}[{cell.number}] {name}'))
    return sorted(counts, reverse=True)

# figures

def worst_by(cells, measure):
    "(measure, cell), largest first, without those that have none"
    rows = [(measure(cell), str(cell)) for cell in cells]
    return sorted((row for row in rows if row[0]), reverse=True)

def summarise(paths):
    "The figures of some notebooks"
    cells = [cell for path in paths for cell in exported_cells(path)]
    lengths = [len(cell.lines) for cell in cells] or [0]
    lines = max(sum(lengths), 1)
    long = worst_by([cell for cell in cells if len(cell.lines) > LONG_CELL], lambda cell: len(cell.lines))
    wide = worst_by(cells, lambda cell: len(cell.wide()))
    semicolons = worst_by(cells, lambda cell: len(cell.semicolons()))
    fields, parameters = dataclass_sizes(cells), parameter_counts(cells)
    values = dict(median=statistics.median(lengths), long=len(long)/max(len(cells), 1),
                  wide=sum(n for n, _ in wide)/lines, semicolons=sum(n for n, _ in semicolons)/lines,
                  fields=max((n for n, _ in fields), default=0), parameters=max((n for n, _ in parameters), default=0))
    worst = dict(median=worst_by(cells, lambda cell: len(cell.lines)), long=long, wide=wide,
                 semicolons=semicolons, fields=fields, parameters=parameters)
    modules = {module_of(path) for path in paths} - {None}
    return Summary(values, worst, len(cells), len(modules))

def shown(key, value):
    return f'{value:.1%}' if key in ('long', 'wide', 'semicolons') else f'{value:g}'

def row(summary):
    marks = {key: '*' if key in summary.missed() else ' ' for key in GOALS}
    return ' '.join(f'{shown(key, summary.values[key]):>7}{marks[key]}' for key in GOALS)

def print_each(paths):
    print(f'{"":<24} {"median":>7}  {"over 25":>7}  {"wide":>7}  {"with ;":>7}  {"fields":>7}  {"params":>7}')
    for path in paths:
        summary = summarise([path])
        if summary.cells:
            print(f'{Path(path).stem:<24} {row(summary)}')

def print_summary(summary):
    print(f'{summary.cells} exported cells in {summary.modules} modules')
    for key, goal in GOALS.items():
        print(f'{WORDS[key]:<34} {shown(key, summary.values[key]):>7}   goal: at most {shown(key, goal)}')

def print_worst(summary, most=8):
    for key in summary.missed():
        print(f'\nmissed: {WORDS[key]}')
        rows = summary.worst[key]
        beyond = [r for r in rows if r[0] > GOALS[key]] if key in ('fields', 'parameters') else rows
        for count, where in beyond[:most]:
            print(f'  {count:>4}  {where}')

# proof on a notebook made up for it

def made_up(*cells):
    kinds = [('markdown', c[3:]) if c.startswith('md:') else ('code', c) for c in cells]
    return json.dumps(dict(cells=[dict(cell_type=kind, source=[source], metadata={}) for kind, source in kinds]))

def prove():
    "The figures of a notebook that is small enough to count by hand"
    many = ', '.join(f'p{i}' for i in range(9))
    text = made_up(
        '#| default_exp small',
        'not_exported = 1; nor_this = 2',
        '#| export\na = 1; b = 2\n\nc = "x; y"  # d; e\n',                                   # 2 lines, one with `;`
        f'#| export\ndef wide():\n    return "{"x"*100}"',                                   # 2 lines, one too wide
        '#|export\n@dataclass(frozen=True)\nclass A:\n    x: int = 0\n    y: int = 0\n    name: ClassVar[str] = ""',
        '#| export\n@dataclass\nclass B(A):\n    y: int = 1\n    z: int = 2',                # fields x, y, z
        f'#| export\ndef many({many}): pass\ndef _own({many}, more): pass',                 # 9 parameters
        f'#| export\nclass K:\n    def __init__(self, {many}, q): pass', 'md:`K` has ten parameters, as the file has.',
        '#| export\n' + '\n'.join(f'v{i} = {i}' for i in range(26)))                         # 26 lines
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)/'00_small.ipynb'
        path.write_text(text, encoding='utf-8')
        found = summarise([path])
    lines = 2+2+5+4+2+2+26
    expected = dict(median=2, long=1/7, wide=1/lines, semicolons=1/lines, fields=3, parameters=9)
    if found.values != expected or (found.cells, found.modules) != (7, 1):
        raise SystemExit(f'tools/style.py counts wrongly: expected {expected} in 7 cells, got {found}')
    if found.missed() != ['long', 'semicolons', 'parameters'] or found.worst['parameters'][0][1] != '00_small[6] many':
        raise SystemExit(f'tools/style.py judges wrongly: {found.missed()}, {found.worst["parameters"][:1]}')

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('notebooks', nargs='*', help='some notebooks; all by default')
    parser.add_argument('--each', action='store_true', help='a row for each notebook, * where a goal is missed')
    parser.add_argument('--check', action='store_true', help='exit status 1 where a goal is missed, with the worst cells')
    args = parser.parse_args()
    prove()
    paths = args.notebooks or sorted((ROOT/'nbs').rglob('*.ipynb'))
    paths = [path for path in paths if '.ipynb_checkpoints' not in str(path)]
    if args.each:
        print_each(paths)
    summary = summarise(paths)
    print_summary(summary)
    if args.check and summary.missed():
        print_worst(summary)
        sys.exit(1)

if __name__ == '__main__':
    main()
