"""Renders the notebooks as a site into _docs/, with Quarto where it is installed and with smalldocs otherwise.

Both read the same _quarto.yml. nbdev first turns the notebooks into pages (documentation of exported names, hidden cells
left out) in _proc/. smalldocs has no numbered equations, no cross-references and fetches its maths renderer from the network,
so for it equations are numbered here, references become links, and maths becomes MathML.

Pages that no notebook holds are made here: an index of all names, all settings of a run, and the overviews of tutorials and
studies with a thumbnail each. After rendering, the search learns where each name is documented.

    python tools/docs.py                             the whole site
    python tools/docs.py --only index tutorials/04   only pages whose path contains one of these; links to the others break
"""
import argparse, base64, configparser, html, importlib, importlib.util, io, itertools, json, os, re, shutil, subprocess, sys, time
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
NBS, PROC, OUT = ROOT/'nbs', ROOT/'_proc', ROOT/'_docs'
FIRST = ['found', 'what_to_use', 'which_loss', 'reproduce', 'glossary', 'bibliography']
SECTIONS = {'tutorials': 'Tutorials', 'studies': 'Studies', 'api': 'Reference'}
PARTS = {'Foundations': range(0, 5), 'Trees and knowledge': range(5, 18), 'Data': range(18, 28), 'Distances': range(28, 40),
    'Losses and decisions': range(40, 50), 'Metrics': range(50, 58), 'Networks and features': range(58, 65),
    'Methods': range(65, 70), 'Training and runs': range(70, 75), 'Studies': range(75, 80), 'Figures': range(80, 90),
    'Command line': range(90, 100)}                         # of the reference, by the first two digits of a file's name
KINDS = {'eq': 'Equation', 'fig': 'Figure', 'tbl': 'Table', 'sec': 'Section'}
EXPECTED = {'format.html.html-math-method is ignored',      # smalldocs does not read these, and does what they ask, or we do
    'format.html.respect-user-color-scheme is ignored'}
ONLY = []                                                   # parts of paths; all pages where there is none


def wanted(rel):
    "Whether a page is rendered"
    return not ONLY or any(part in str(rel) for part in ONLY)


def notebooks(folder=''):
    "A folder's notebooks that are rendered, in the order of their names"
    return sorted(f for f in (NBS/folder).glob('*.ipynb') if f.name[0] not in '_.' and wanted(f.relative_to(NBS)))


def in_parts(files):
    "The notebooks of the reference by part"
    found = {title: [f for f in files if int(f.name[:2]) in numbers] for title, numbers in PARTS.items()}
    lost = set(files).difference(*found.values())
    if lost: sys.exit(f'docs: {sorted(f.name for f in lost)}: no part of the reference has such a number; PARTS in tools/docs.py')
    return {title: own for title, own in found.items() if own}


def write_sidebar():
    "nbs/sidebar.yml: one sidebar for home and the pages beside it, and one for each folder, so that each is short and the bar knows where it is; the version below"
    pages = sorted((f for f in notebooks() if f.name != 'index.ipynb'),
        key=lambda f: (FIRST.index(f.stem) if f.stem in FIRST else len(FIRST), f.name))
    settings = configparser.ConfigParser()
    settings.read(ROOT/'settings.ini')
    lines = ['website:', f"  page-footer: kfr_nb {settings['DEFAULT']['version']} · Apache 2.0", '  sidebar:',
        '    - id: home', '      style: docked', '      contents:', '        - text: Home', '          href: index.ipynb',
        *(f'        - {f.name}' for f in pages)]
    for folder, title in SECTIONS.items():
        files = notebooks(folder)
        if not files: continue
        lines += [f'    - id: {folder}', '      style: docked', '      contents:', f'        - text: {title}', f'          href: {folder}/index.ipynb']
        if folder != 'api': lines += [f'        - {folder}/{f.name}' for f in files]
        else:
            for part, own in in_parts(files).items():
                lines += [f'        - section: {part}', '          contents:', *(f'            - api/{f.name}' for f in own)]
                if part == 'Training and runs': lines.append('            - api/all_settings.ipynb')
    (NBS/'sidebar.yml').write_text('\n'.join(lines) + '\n', encoding='utf-8')


def added_to(nb):
    "The module to which a notebook adds its `#| export NAME` cells, for one that has no module of its own"
    named = (getattr(cell, 'directives_', {}).get('export', []) for cell in nb.cells)
    return next((names[0] for names in named if names), None)


def page_maker():
    "nbdev's processors, with one exchanged: exported names come from the exported module, so no lesson runs again"
    from execnb.shell import CaptureShell
    from nbdev.process import Processor
    from nbdev.processors import FilterDefaults, _default_exp, exec_show_docs

    class show_exported(Processor):
        "Run the `show_doc` cells, with everything in sight that the notebook's module holds"
        def begin(self):
            self.shell, name = CaptureShell(), _default_exp(self.nb) or added_to(self.nb)
            self.module = importlib.import_module(f'kfr_nb.{name}') if name else None
            self.shell.user_ns.update(vars(self.module) if name else {})
            self.shell.run_cell('from nbdev.showdoc import show_doc')

        def cell(self, cell):
            if cell.cell_type != 'code' or not cell.source or 'show_doc(' not in cell.source: return
            self.shell.cell(cell)
            while (missing := self.unseen()):               # a signature names a package that its function imports when called
                setattr(self.module, missing, importlib.import_module(missing))
                self.shell.cell(cell)
            if self.shell.exc: raise RuntimeError(f'the documentation of {cell.source!r} failed') from self.shell.exc

        def unseen(self):
            name = getattr(self.shell.exc, 'name', None) if isinstance(self.shell.exc, NameError) else None
            return name if name and self.module and not hasattr(self.module, name) and importlib.util.find_spec(name) else None

    class Pages(FilterDefaults):
        def base_procs(self): return [show_exported if p is exec_show_docs else p for p in super().base_procs()]
    return Pages()


def process():
    "nbdev's part: settings into nbdev.yml, notebooks into _proc/"
    from execnb.nbio import read_nb, write_nb
    from nbdev.quarto import refresh_quarto_yml
    refresh_quarto_yml()
    write_sidebar()
    shutil.rmtree(PROC, ignore_errors=True)
    sys.path.insert(0, str(ROOT))
    os.environ['IN_TEST'] = '1'
    make_page = page_maker()
    for src in sorted(NBS.rglob('*')):
        rel = src.relative_to(NBS)
        if not src.is_file() or any(p[0] == '.' or p in ('runs', 'results', '__pycache__') for p in rel.parts): continue
        if src.suffix == '.ipynb' and not wanted(rel): continue
        dest = PROC/rel
        dest.parent.mkdir(parents=True, exist_ok=True)
        if src.suffix == '.ipynb':
            nb = read_nb(src)
            keep_introduction(nb)
            try: make_page(nb)
            except Exception as e: raise RuntimeError(f'{src.relative_to(ROOT)} could not be made into a page') from e
            for cell in nb.cells:                           # names that begin with an underscore have no place to link to
                if cell.cell_type == 'markdown': cell.source = re.sub(r'\[(`[^`]+`)\]\([^)\s]*#(?:\w+\.)?_[a-z]\w*\)', r'\1', cell.source)
            unlink_code(nb)
            describe_figures(nb)
            if rel.parts[0] == 'studies': fold_code(nb)
            if rel.parts[0] == 'tutorials': offer(nb, rel)
            write_nb(nb, dest)
        else: shutil.copyfile(src, dest)
    add_pages()


def keep_introduction(nb):
    "nbdev makes a page's title and description of its first text and drops what follows them there; so it becomes a cell of its own"
    for i, cell in enumerate(nb.cells):
        if cell.cell_type != 'markdown': continue
        m = re.match(r'\s*# .+\n(?:\s*\n)*(?:>.*\n?)?(?:\s*- [\w-]+: .*\n?)*', cell.source)
        rest = cell.source[m.end():].strip() if m else ''
        if rest:
            cell.source = m[0].strip()
            nb.cells.insert(i+1, text_cell(rest))
        return


def text_cell(source):
    "A cell of Markdown"
    from execnb.nbio import mk_cell
    return mk_cell(source, 'markdown')


def offer(nb, rel):
    "Below the title of a tutorial: open it in Colab, or take the notebook"
    settings = configparser.ConfigParser()
    settings.read(ROOT/'settings.ini')
    own = settings['DEFAULT']
    repo = f"{own['user']}/{own['repo']}"
    path = f"{own['branch']}/nbs/{rel}"
    line = (f'[Open in Colab](https://colab.research.google.com/github/{repo}/blob/{path}){{.btn .btn-outline-primary .btn-sm}} '
        f'[Notebook](https://raw.githubusercontent.com/{repo}/{path}){{.btn .btn-outline-primary .btn-sm}}\n\n'
        f'In Colab, install the package first: `!pip install "kfr_nb[viz] @ git+https://github.com/{repo}"`')
    at = next(i for i, c in enumerate(nb.cells) if c.cell_type == 'raw') + 1
    nb.cells.insert(at, text_cell(f'::: {{.offer}}\n{line}\n:::'))


# ---- pages that no notebook holds

def save_page(rel, title, about, source, **options):
    "A notebook of one text"
    head = dict(title=title, description=about, **options)
    front = '---\n' + '\n'.join(f'{k}: {json.dumps(v, ensure_ascii=False)}' for k, v in head.items()) + '\n---'
    cells = [dict(cell_type='raw', metadata={}, source=front, id='front'), dict(cell_type='markdown', metadata={}, source=source, id='text')]
    (PROC/rel).parent.mkdir(parents=True, exist_ok=True)
    (PROC/rel).write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=5)), encoding='utf-8')


def title_of(path):
    "Title and promise of a notebook"
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown' and (m := re.match(r'\s*# (.+)\n(?:\s*\n)*(?:>(.*))?', source + '\n')): return m[1].strip(), (m[2] or '').strip()
    sys.exit(f'docs: {path.relative_to(ROOT)} has no title')


def names_in(path):
    "The public names that a notebook defines, in their order, each with the first line of its documentation"
    import ast
    found = {}
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] != 'code' or not re.match(r'\s*#\| *export\b', source): continue
        for node in ast.parse(source).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != '_':
                patched = any(getattr(getattr(d, 'func', d), 'id', '') == 'patch' for d in node.decorator_list)
                if not patched: found[node.name] = (ast.get_docstring(node) or '').split('\n')[0]
    return found


def cell_text(text):
    "A text as it stands, within a table of Markdown; what is code there stays code"
    parts = re.split(r'(`[^`]*`)', text)
    return ''.join(p.replace('|', '\\|') if i % 2 else escaped(p) for i, p in enumerate(parts))


def escaped(text): return text.replace('|', '\\|').replace('$', '\\$').replace('<', '\\<').replace('*', '\\*').replace('_', '\\_')


def shown_names(path):
    "The names whose documentation stands on a notebook's page"
    page = PROC/path.relative_to(NBS)
    if not page.is_file(): return set()
    cells = json.loads(page.read_text(encoding='utf-8'))['cells']
    texts = [''.join(c['source']) if c['cell_type'] == 'markdown' else ''.join(''.join(v) for o in c.get('outputs', [])
        for k, v in o.get('data', {}).items() if k == 'text/markdown') for c in cells]
    return set(re.findall(r'^### +(\w+) *$', '\n'.join(texts), re.M))


def index_of_names(files):
    "api/index: a line for each name, by part and notebook"
    lines = []
    for part, own in in_parts(files).items():
        lines.append(f'## {part}\n')
        for f in own:
            title, about = title_of(f)
            lines.append(f'### [{title}]({f.name})\n\n{about}\n')
            there, names = shown_names(f), names_in(f)
            rows = [f'| {f"[`{n}`]({f.name}#{n.lower()})" if n in there else f"`{n}`"} | {cell_text(said)} |' for n, said in names.items()]
            if rows: lines += ['::: {.names}\n', '| | |', '|:--|:--|', *rows, '\n:::\n']
    save_page('api/index.ipynb', 'Reference', 'Every name of the package, with a line each, and the page that explains it.', '\n'.join(lines), **{'toc-depth': 2})


def one_setting(name, doc, prefix):
    "A setting as a line of a list, with a place to link to"
    default = doc['default']
    if isinstance(default, type) and default.__name__ == '_empty' or repr(default).startswith('<'): said = ''
    else: said = f' = `{default!r}`'
    kind = str(doc['anno']).replace('`', '')
    return f'[`{name}`]{{#{prefix}{name} .setting}} `{kind}`{said}\n:   {cell_text(doc["docment"] or "")}\n'


def all_settings():
    "api/all_settings: the settings of a run by group, then those of each method"
    import dataclasses, typing
    from fastcore.docments import docments
    from kfr_nb.methods import METHODS
    from kfr_nb.train.config import TrainConfig
    types = typing.get_type_hints(TrainConfig)
    own_docs = docments(TrainConfig, full=True)
    lines = ['A setting is written flat, whatever group it stands in: `TrainConfig.of(dataset=\'cifar100\', lr=1e-3)`, or `kfr train --dataset cifar100 --lr 1e-3`. '
        'It is read by group: `config.optimisation.lr`.\n']

    def listed(cls, prefix):
        docs = docments(cls, full=True)
        for f in dataclasses.fields(cls):
            if dataclasses.is_dataclass(f.type if isinstance(f.type, type) else typing.get_type_hints(cls).get(f.name)):
                listed(typing.get_type_hints(cls)[f.name], prefix)
            else:
                doc = dict(docs[f.name])
                if f.default is not dataclasses.MISSING: doc['default'] = f.default
                lines.append(one_setting(f.name, doc, prefix))
    for f in dataclasses.fields(TrainConfig):
        if f.name == 'method': continue
        lines.append(f'## {f.name.capitalize()} {{#{f.name}}}\n\n{own_docs[f.name]["docment"] or ""}.\n')
        listed(types[f.name], '')
    lines.append('## Methods {#methods}\n\nA method owns its settings: `KFR(alpha=3.)`, or `kfr train --method kfr --alpha 3`. '
        'One that a method does not have is refused.\n')
    for name, cls in sorted(METHODS.items()):
        if not cls.__module__.startswith('kfr_nb.'): continue
        lines.append(f'### `{name}` {{#method-{name}}}\n\n`{cls.__name__}`. {cell_text((cls.__doc__ or "").strip().split(chr(10))[0])}.\n')
        if dataclasses.is_dataclass(cls): listed(cls, f'{name}-')
    save_page('api/all_settings.ipynb', 'All settings', 'The settings of a run, by group, and those of each method.', '\n'.join(lines), **{'toc-depth': 3})


def figures_of(path):
    "The figures of a notebook: kind, data, width over height"
    from PIL import Image
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        for out in cell.get('outputs', []):
            data = {k: ''.join(v) if isinstance(v, list) else v for k, v in out.get('data', {}).items()}
            if 'image/svg+xml' in data:
                size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', data['image/svg+xml'])
                if size and len(data['image/svg+xml']) < 150_000: yield 'svg', data['image/svg+xml'], float(size[1])/float(size[2])
            elif 'image/png' in data:
                image = Image.open(io.BytesIO(base64.b64decode(data['image/png']))).convert('RGB')
                yield 'png', image, image.width/image.height


def thumbnail(path, dest):
    "A small picture of a notebook: its first figure that is neither tall nor a strip, else the one that comes nearest to that; None where it has none"
    found = list(figures_of(path))
    if not found: return None
    kind, data, _ = next((f for f in found if 0.9 <= f[2] <= 2.8), min(found, key=lambda f: abs(f[2]-1.6)))
    dest.parent.mkdir(parents=True, exist_ok=True)
    if kind == 'svg':
        dest.with_suffix('.svg').write_text(data, encoding='utf-8')
        return dest.with_suffix('.svg').name
    data.thumbnail((560, 560))
    data.save(dest.with_suffix('.webp'), quality=82)
    return dest.with_suffix('.webp').name


def overview(folder, about):
    "A folder's index: a card for each notebook, with its first figure"
    cards = []
    for f in notebooks(folder):
        title, promise = title_of(f)
        shown = thumbnail(f, PROC/folder/'thumbs'/f.stem)
        figure = f'[![A figure of {plain(title)}](thumbs/{shown})]({f.name})\n\n' if shown else ''
        cards.append(f'::: {{.one-card}}\n{figure}[{title}]({f.name}){{.card-name}}\n\n{promise}\n:::\n')
    save_page(f'{folder}/index.ipynb', SECTIONS[folder], about, '::: {.cards}\n' + '\n'.join(cards) + ':::\n', toc=False)


def add_pages():
    "The pages that no notebook holds"
    if notebooks('tutorials'): overview('tutorials', 'How to do one thing, in a notebook that you can run.')
    if notebooks('studies'): overview('studies', 'A question, an experiment, an answer.')
    files = notebooks('api')
    if not files: return
    index_of_names(files)
    all_settings()
    config = PROC/'api'/'70_train_config.ipynb'
    if config.is_file():                                    # the class's signature names its groups only
        nb = json.loads(config.read_text(encoding='utf-8'))
        at = next(i for i, c in enumerate(nb['cells']) if any('### TrainConfig\n' in ''.join(o.get('data', {}).get('text/markdown', '')) for o in c.get('outputs', [])))
        nb['cells'].insert(at+1, dict(cell_type='markdown', metadata={}, id='every-setting', source='Every setting, by group, with its default: [All settings](all_settings.ipynb).'))
        config.write_text(json.dumps(nb), encoding='utf-8')


def text_cells(nb):
    "The parts of a notebook that hold Markdown: cells, and outputs of that kind; each with a way to set it"
    for cell in nb['cells']:
        if cell['cell_type'] == 'markdown': yield cell, 'source'
        for out in cell.get('outputs', []):
            if 'text/markdown' in out.get('data', {}): yield out['data'], 'text/markdown'


def unlink_code(nb):
    "A signature is code, in which a link would stand as it is written: names there are left as names"
    def bare(block): return re.sub(r'\[(`[^`\n]+`)\]\([^)\s]+\)', r'\1', block[0])
    for holder, key in text_cells(nb):
        text = re.sub(r'(?ms)^```.*?^```', bare, ''.join(holder[key]))
        holder[key] = re.sub(r'(/blob/[^\s)"]+\.py)#LNone', r'\1', text)


def number_references(nb):
    "Number labelled equations, figures, tables; turn `@eq-name` and its like into links; name the unknown ones"
    names, counts = {}, dict.fromkeys(KINDS, 0)

    def label(name, title=None):
        kind = name.partition('-')[0]
        counts[kind] += 1
        names[name] = f'{KINDS[kind]} {counts[kind]}' if title is None else title
        return counts[kind]

    def equation(m):
        n = label(m[2])
        return f'::: {{#{m[2]} .equation}}\n$$\n{m[1].strip()}\n$$\n\n[({n})]{{.equation-number}}\n:::\n'

    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'code':
            for m in re.finditer(r'^#\| *label: *((?:fig|tbl)-[\w-]+)', source, re.M): label(m[1])
        elif cell['cell_type'] == 'markdown':
            cell['source'] = re.sub(r'\$\$(.+?)\$\$[ \t]*\{#(eq-[\w-]+)\}', equation, source, flags=re.S)
            for m in re.finditer(r'^#+ +(.+?) *\{#(sec-[\w-]+)[^}]*\}', source, re.M): label(m[2], f'section “{m[1]}”')
    unknown = []

    def link(m):
        if m[1] not in names:
            unknown.append(m[1])
            return m[0]
        return f'[{names[m[1]]}](#{m[1]})'
    for holder, key in text_cells(nb):
        parts = re.split(r'(```.*?```|`[^`\n]*`)', ''.join(holder[key]), flags=re.S)
        holder[key] = ''.join(p if i % 2 else re.sub(r'(?<![\w`\\])@((?:eq|fig|tbl|sec)-[\w-]+)', link, p) for i, p in enumerate(parts))
    return unknown


def plain(text):
    "Markdown without its marks, in one line"
    text = re.sub(r'!?\[([^\]]*)\]\([^)]*\)', r'\1', text)
    return re.sub(r'\s+', ' ', re.sub(r'[`*$]|\{[#.][^}]*\}', '', text)).strip()


def first_sentence(source, last=False):
    "The first sentence of a cell's prose, or the last; nothing where it holds a heading, a table or a list only"
    prose = [b for b in re.split(r'\n\s*\n', re.sub(r'```.*?```|\$\$.*?\$\$', '', source, flags=re.S)) if b.strip()
        and not re.match(r'\s*(#|\||[-*] |\d+\. |>|:::)', b)]
    if not prose: return ''
    sentences = re.split(r'(?<=[.!?:])\s+(?=[A-Z*`$“])', plain(prose[-1 if last else 0]))
    return sentences[-1 if last else 0].rstrip(':')


def has_picture(cell): return any(k.startswith('image/') for o in cell.get('outputs', []) for k in o.get('data', {}))


def describe_figures(nb):
    "A text for those who do not see a figure, where its cell names none: where it stands, and what is said of it"
    heading, cells = '', nb['cells']
    for i, cell in enumerate(cells):
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            found = re.findall(r'^#+ +(.+?)(?: *\{.*\})?$', source, re.M)
            heading = plain(found[-1]) if found else heading
        if cell['cell_type'] != 'code' or not has_picture(cell) or re.search(r'^#\| *fig-(alt|cap):', source, re.M): continue
        after = next((''.join(c['source']) for c in cells[i+1:i+2] if c['cell_type'] == 'markdown'), '')
        before = next((''.join(c['source']) for c in cells[i-1::-1] if c['cell_type'] == 'markdown'), '') if i else ''
        said = first_sentence(after) or first_sentence(before, last=True)
        cell['source'] = f'#| fig-alt: {json.dumps(" ".join(filter(None, [f"Figure, {heading}." if heading else "Figure.", said]))[:300].replace(" %", " percent").replace("%", " percent"), ensure_ascii=False)}\n' + source


def fold_code(nb):
    "A study is read for its words, tables and figures: its code waits behind a click"
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'code' and not re.search(r'^#\| *(code-fold|echo):', source, re.M):
            cell['source'] = '#| code-fold: true\n' + source


def guard_formulas(nb):
    "Its Markdown reader looks, before a formula that begins a text or a table's cell, at the last character of that text, and takes none where that is a digit; a word joiner in front, which nobody sees, gives it another"
    for holder, key in text_cells(nb):
        parts = re.split(r'(```.*?```|`[^`\n]*`|\$\$.*?\$\$)', ''.join(holder[key]), flags=re.S)
        holder[key] = ''.join(p if i % 2
            else re.sub(r'(?m)(^[ \t]*(?:[-*>] |\d+\. )?|(?<=\|)[ \t]*)\$(?=[^\s$])', r'\1&#8288;$', p)
            for i, p in enumerate(parts))


def prepare_for_smalldocs():
    "Change the notebooks in _proc/ so that smalldocs shows what Quarto would; return (faults, page names Quarto would give)"
    faults, pages = [], {}
    for path in sorted(PROC.rglob('*.ipynb')):
        nb, rel = json.loads(path.read_text(encoding='utf-8')), path.relative_to(PROC)
        faults += [f'{rel}: @{name} refers to nothing' for name in number_references(nb)]
        guard_formulas(nb)
        for cell in nb['cells']:
            if cell['cell_type'] == 'raw':
                source = ''.join(cell['source'])
                m = re.search(r'^output-file: *(\S+)\n', source, re.M)
                if m:
                    pages[str(rel.with_name(m[1]))] = str(rel.with_suffix('.html'))
                    cell['source'] = source.replace(m[0], '')
        path.write_text(json.dumps(nb), encoding='utf-8')
    return faults, pages


def spaced(formula):
    "MathML with what its converter leaves out: a space after the name of a function, and which bar of a pair opens"
    formula = re.sub(r'<mi>(?:log|exp|sin|cos|tanh|max|min)</mi>(?=<m(?:i|n|row|sub|sup|subsup|frac)>)', r'\g<0><mspace width="0.167em" />', formula)
    bar = re.compile(r'<mo (minsize="[^"]+" maxsize="[^"]+")>\|</mo>')
    if len(bar.findall(formula)) % 2: return formula        # not pairs
    forms = itertools.cycle(('prefix', 'postfix'))
    return bar.sub(lambda m: f'<mo form="{next(forms)}" stretchy="true" {m[1]}>|</mo>', formula)


def mathml(m, faults, where):
    "One formula as MathML"
    from latex2mathml.converter import convert
    tex, display = html.unescape(m[2]), 'block' if m[1] == 'display' else 'inline'
    tex = re.sub(r'\\(operatorname\*?)\{', r'\\operatorname{', tex)
    try: out = convert(tex, display=display)
    except Exception as e:                                  # the library raises classes of its own for each kind of mistake
        faults.append(f'{where}: formula cannot be rendered ({type(e).__name__}): {tex}')
        return m[0]
    out = spaced(out)
    if re.search(r'>\\[a-zA-Z]+<', out): faults.append(f'{where}: formula with an unknown command: {tex}')
    return out


def finish_pages(pages, site_url):
    "MathML for maths, links within the site for links to its published address"
    faults, site = [], site_url.rstrip('/') + '/'
    for path in sorted(OUT.rglob('*.html')):
        rel = path.relative_to(OUT)
        text = path.read_text(encoding='utf-8')
        text = re.sub(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', lambda m: mathml(m, faults, rel), text, flags=re.S)
        text = re.sub(r'<(link|script)[^>]*katex[^>]*>(</script>)?', '', text)

        def local(m):
            target, _, anchor = html.unescape(m[1]).partition('#')
            target = pages.get(target, target) or 'index.html'
            if not (OUT/target).is_file(): return m[0]
            return f'href="{os.path.relpath(target, rel.parent)}{"#" + anchor if anchor else ""}"'
        text = re.sub(rf'href="{re.escape(site)}([^"]*)"(?: target="_blank")?', local, text)
        path.write_text(text, encoding='utf-8')
    return faults


def whole_options(code):
    "Code as HTML in which no line ends within an option such as `--lr`"
    return re.sub(r'(?<![\w-])--[a-z][\w-]*(?![^<>]*>)', r'<span class="option">\g<0></span>', code)


def hang_lines():
    "A line of code that is too long for the page goes on further to the right, not at the margin; for that each line is an element"
    def lines(m):
        done, opened = [], []                               # a docstring's element is closed at a line's end and opened again
        for line in whole_options(m[2]).split('\n'):
            before = ''.join(opened)
            for tag in re.findall(r'<span[^>]*>|</span>', line):
                if tag == '</span>': opened.pop()
                else: opened.append(tag)
            text = re.sub(r'<[^>]+>', '', line)
            indent = len(text) - len(text.lstrip(' '))
            own = f' style="--indent:{indent}ch"' if indent else ''
            done.append(f'<span class="line"{own}>{before}{line}{"</span>"*len(opened)}</span>' if text.strip() else text)
        return m[1] + '\n'.join(done) + m[3]
    for path in OUT.rglob('*.html'):
        text = path.read_text(encoding='utf-8')
        new = re.sub(r'(<code class="sourceCode (?:python|bash|sh)">)(.*?)(</code>)', lines, text, flags=re.S)
        new = re.sub(r'<code>([^<\n]* [^<\n]*)</code>', lambda m: f'<code>{whole_options(m[1])}</code>', new)
        if new != text: path.write_text(new, encoding='utf-8')


def own_fonts():
    "The themes ask a public server for their fonts at every visit; the reader's own will do"
    for f in OUT.rglob('*.css'):
        text = f.read_text(encoding='utf-8')
        short = re.sub(r"@import *(?:url\([^)]*fonts\.googleapis[^)]*\)|[\"'][^\"']*fonts\.googleapis[^\"']*[\"'])[^;{}]*;?", '', text)
        if short != text: f.write_text(short, encoding='utf-8')


def mark_bar():
    "In the bar, the entry of the part that a page belongs to, and no other"
    for path in OUT.rglob('*.html'):
        rel, text = path.relative_to(OUT), path.read_text(encoding='utf-8')
        folder = rel.parts[0] if len(rel.parts) > 1 else None

        def one(m):
            tag = re.sub(r' aria-current="[^"]*"', '', re.sub(r'(class="[^"]*?) active\b', r'\1', m[0]))
            href = re.search(r'href="([^"#?]*)', tag)
            if not href or re.match(r'[a-z]+:', href[1]): return tag
            target = PurePosixPath(os.path.normpath(rel.parent/href[1]))
            here = str(target) == str(rel) if folder is None else str(target) == f'{folder}/index.html'
            if not here: return tag
            return re.sub(r'class="([^"]*)"', rf'class="\1 active" aria-current="{"page" if target == PurePosixPath(rel) else "true"}"', tag, count=1)
        head, sep, rest = text.partition('</header>')
        new = re.sub(r'<a [^>]*class="nav-link[^"]*"[^>]*>', one, head) + sep + rest
        if new != text: path.write_text(new, encoding='utf-8')


def name_entries():
    "Search entries for the documented names: title, address, what is said of each"
    entries = []
    for path in sorted((OUT/'api').glob('*.html')):
        text = path.read_text(encoding='utf-8')
        title = re.search(r'<h1[^>]*>(.*?)</h1>', text, re.S)
        page = html.unescape(re.sub(r'<[^>]+>', '', title[1])).strip() if title else path.stem
        for m in re.finditer(r'<h3\b[^>]*?data-anchor-id="([^"]+)"[^>]*>(.*?)</h3>(.{0,6000}?)<p><em>(.*?)</em></p>', text, re.S):
            name, said = (html.unescape(re.sub(r'<[^>]+>', '', m[i])).strip() for i in (2, 4))
            if not re.fullmatch(r'\w+(\.\w+)?', name) or '<h3' in m[3]: continue
            address = f'api/{path.name}#{m[1]}'
            entries.append(dict(objectID=address, href=address, title=name, section=page, text=said, crumbs=['Reference', page]))
    return entries


def search_names():
    "The search finds the place where a name is documented, first of all; formulas as TeX are taken from its texts"
    where = OUT/'search.json'
    entries, names = json.loads(where.read_text(encoding='utf-8')), name_entries()
    formulas = set()
    for path in OUT.rglob('*.html'):
        formulas.update(html.unescape(a).strip() for a in re.findall(r'<annotation encoding="application/x-tex">(.*?)</annotation>', path.read_text(encoding='utf-8'), re.S))
    for e in entries:
        for f in sorted((f for f in formulas if len(f) > 3 and '\\' in f and f in e['text']), key=len, reverse=True): e['text'] = e['text'].replace(f, ' ')
    there = {e['href']: e for e in names}
    for e in entries:
        if e['href'] in there: there[e['href']]['text'] += ' ' + e['text']
    where.write_text(json.dumps(names + [e for e in entries if e['href'] not in there], ensure_ascii=False), encoding='utf-8')
    return names


def search_of_smalldocs():
    "Its search ignores a query of one character and leaves the previous results there; α is such a query"
    for f in OUT.rglob('smalldocs.js'):
        text = f.read_text(encoding='utf-8')
        new = text.replace('if (q.length < 2)', 'if (q.length < 1)').replace('minMatchCharLength: 2', 'minMatchCharLength: 1')
        if new == text: sys.exit('docs: smalldocs.js no longer has the lines that search_of_smalldocs changes')
        f.write_text(new, encoding='utf-8')


def drop_loaders():
    "Quarto loads jQuery and RequireJS from the network wherever an output is HTML; only a stored widget needs them"
    loader = re.compile(r'<script[^>]*src="https?://[^"]*(?:require(?:\.min)?\.js|jquery[^"]*\.js)"[^>]*></script>\s*|'
        r"<script[^>]*>\s*define\('jquery',.*?</script>\s*", re.S)
    for path in OUT.rglob('*.html'):
        text = path.read_text(encoding='utf-8')
        if 'application/vnd.jupyter.widget' in text: continue
        new = loader.sub('', text)
        if new != text: path.write_text(new, encoding='utf-8')


def render_smalldocs():
    "Build the site with smalldocs; return what is wrong with it"
    try: from smalldocs.site import build
    except ImportError: sys.exit('docs: neither Quarto nor smalldocs is installed (smalldocs needs Python 3.11 or later)')
    faults, pages = prepare_for_smalldocs()
    site = build(PROC, quiet=True)
    faults += [w for w in site.warnings if w not in EXPECTED]
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.move(site.out, OUT)
    search_of_smalldocs()
    hang_lines()
    return faults + finish_pages(pages, str(site.project.website.get('site-url') or ''))


def render_quarto():
    "Build the site with Quarto"
    code = subprocess.call(['quarto', 'render', '--no-execute'], cwd=PROC)
    if code: sys.exit(f'docs: quarto render ended with exit status {code}')
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.move(PROC/'_docs', OUT)
    drop_loaders()
    return []


def main():
    p = argparse.ArgumentParser(description='Render the notebooks as a site into _docs/')
    p.add_argument('--with', dest='tool', choices=['quarto', 'smalldocs'], help='default: Quarto where it is installed')
    p.add_argument('--only', nargs='+', default=[], metavar='PART', help='only the pages whose path contains one of these parts')
    args, start = p.parse_args(), time.time()
    os.chdir(ROOT)
    ONLY.extend(args.only)
    tool = args.tool or ('quarto' if shutil.which('quarto') else 'smalldocs')
    if tool == 'quarto' and not shutil.which('quarto'):
        sys.exit('docs: Quarto is not installed; get it from https://quarto.org/docs/get-started or by pip install quarto-cli, or leave out --with')
    if args.tool is None and tool == 'smalldocs':
        print('docs: Quarto is not installed (https://quarto.org/docs/get-started, or pip install quarto-cli); rendering with smalldocs instead')
    process()
    faults = render_quarto() if tool == 'quarto' else render_smalldocs()
    own_fonts()
    mark_bar()
    search_names()
    if ONLY: faults = [f for f in faults if 'broken link' not in f]     # pages that are left out
    for f in faults: print(f'docs: {f}')
    n = len(list(OUT.rglob('*.html')))
    print(f'docs: {n} pages in {OUT.relative_to(ROOT)}/ by {tool} in {time.time()-start:.0f} s, {len(faults)} faults')
    return 1 if faults and not ONLY else 0


if __name__ == '__main__': sys.exit(main())
