"""Holds the modules of kfr_nb to their layers: each imports only layers to its left.

Reads the exported files (no module is run), then imports the light ones in a fresh process
and looks at what came with them.
"""
import ast, subprocess, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = 'kfr_nb'
LAYERS = [
    ['settings', 'core'],
    ['tree_files', 'tree', 'l1_triton', 'l1', 'poincare_pairs', 'poincare', 'geometry', 'fetch', 'shapes', 'views', 'boxes'],
    ['knowledge', 'noise', 'data'],
    ['losses', 'metrics', 'decisions', 'localization', 'bn_inception', 'backbones', 'partial_tuning', 'models', 'features'],
    ['methods'], ['train'], ['runs'], ['study'], ['experiments', 'claims', 'reproduce'], ['bench', 'cli']]
WITHIN = {'losses', 'metrics', 'localization', 'tree_files', 'data', 'methods', 'train', 'runs', 'study', 'cli'}   # packages: their modules may import one another, not in a circle
DRAWS = 'viz'                                      # takes arrays, tables and trees: sees these layers and itself only
DRAWN = {'settings', 'core', 'boxes', 'tree', 'geometry', 'knowledge', 'noise', 'data', 'losses', 'metrics', 'decisions', 'localization'}
LIGHT = ['settings', 'losses', 'poincare_pairs', 'poincare', 'geometry', 'metrics', 'decisions', 'tree']  # bring nothing heavier than torch and numpy
HEAVY = ['matplotlib', 'seaborn', 'plotly', 'umap', 'sklearn', 'scipy', 'pandas', 'nltk', 'networkx', 'timm', 'transformers',
         'torchvision', 'accelerate', 'pytorch_grad_cam', 'pytorch_metric_learning', 'torchmetrics', 'ipywidgets', 'IPython', 'PIL', 'tqdm']


def part(module):
    "The layer's name of a module: `losses` of `kfr_nb.losses.kfr`, '' of the package itself"
    return module.split('.')[1] if '.' in module else ''


def imported(path, module):
    "Modules of this package that a file imports anywhere, with line numbers; relative imports resolved"
    package = module if path.name == '__init__.py' else module.rpartition('.')[0]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'), str(path))):
        if isinstance(node, ast.Import): names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parents = package.split('.')
                base = '.'.join([*parents[:len(parents)-node.level+1], *filter(None, [node.module])])
            names = [f'{base}.{a.name}' for a in node.names] if base == PACKAGE else [base]
        else: continue
        yield from ((n, node.lineno) for n in names if n.split('.')[0] == PACKAGE)


def allowed(frm, to):
    "Whether layer `frm` may import layer `to`"
    if frm == DRAWS: return to in DRAWN | {DRAWS}
    rank = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    if to == DRAWS: return rank[frm] >= rank['train']
    if frm == to: return frm in WITHIN
    if rank[to] < rank[frm]: return True
    layer = LAYERS[rank[frm]]                      # within a layer: those written further left
    return to in layer and layer.index(to) < layer.index(frm)


def check_directions(root=ROOT):
    "One line for each import that goes the wrong way, or comes from a module in no layer"
    known, faults, files = {n for layer in LAYERS for n in layer} | {DRAWS, ''}, [], sorted((root/PACKAGE).rglob('*.py'))
    for path in files:
        if path.name == '_modidx.py': continue
        module = '.'.join(path.relative_to(root).with_suffix('').parts).removesuffix('.__init__')
        frm = part(module)
        if frm not in known:
            faults.append(f'{path.relative_to(root)}: {frm} is in no layer: add it to tools/check_imports.py')
            continue
        for name, line in imported(path, module):
            to = part(name)
            if not to or name == module or f'{PACKAGE}.{to}' == module: continue
            if to not in known: continue           # a plain name of the package, such as __version__
            if not frm: faults.append(f'{path.relative_to(root)}:{line}: the package itself must import nothing, not {name}')
            elif not allowed(frm, to): faults.append(f'{path.relative_to(root)}:{line}: {module} must not import {name}')
    return len(files), faults


def circle(imports):
    "A circle of modules that import each other at their top, or None; `imports` maps a module to those it imports"
    done, path = set(), []
    def visit(module):
        if module in path: return [*path[path.index(module):], module]
        if module in done: return None
        path.append(module)
        found = next((c for m in sorted(imports.get(module, ())) if (c := visit(m))), None)
        path.pop()
        done.add(module)
        return found
    return next((c for m in sorted(imports) if (c := visit(m))), None)


def top_imports(root=ROOT):
    "Which modules of the package each module imports at its top, packages' own `__init__` left out"
    files = {'.'.join(p.relative_to(root).with_suffix('').parts).removesuffix('.__init__'): p
        for p in (root/PACKAGE).rglob('*.py') if p.name != '_modidx.py'}
    out = {}
    for module, path in files.items():
        tree = ast.parse(path.read_text(encoding='utf-8'))
        tree.body = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        package = module if path.name == '__init__.py' else module.rpartition('.')[0]
        names = set()
        for node in tree.body:
            if isinstance(node, ast.Import): names |= {a.name for a in node.names}
            else:
                base = node.module or ''
                if node.level: base = '.'.join([*package.split('.')[:len(package.split('.'))-node.level+1], *filter(None, [node.module])])
                names |= {f'{base}.{a.name}' if f'{base}.{a.name}' in files else base for a in node.names}
        out[module] = {n for n in names if n in files and n != module}
    return out


def check_light(root=ROOT):
    "One line for each light module that brings a heavy package when imported"
    found = [m for name in LIGHT for m in sorted((root/PACKAGE).glob(f'{name}.py')) + sorted((root/PACKAGE/name).glob('[a-z]*.py'))]
    mods, faults = ['.'.join(m.relative_to(root).with_suffix('').parts) for m in found], []
    # torch and numpy are imported once, and each module in a fork; what the two bring themselves does not count
    code = f'''import importlib, os, sys, traceback, torch, numpy
sys.path.insert(0, {str(root)!r})
had = set(sys.modules)
for mod in {mods!r}:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        continue
    try: importlib.import_module(mod)
    except BaseException: traceback.print_exc()
    else: print(mod, *sorted({{m.split('.')[0] for m in set(sys.modules)-had}} & set({HEAVY!r})))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
'''
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    brought = {name: heavy for name, _, heavy in (line.partition(' ') for line in r.stdout.splitlines())}
    for mod in mods:
        if mod not in brought: faults.append(f'{mod} cannot be imported:\n{r.stderr}')
        elif brought[mod]: faults.append(f'{mod} brings {brought[mod]}: import it where it is used')
    return mods, faults


def self_test():
    "The check itself finds what it should"
    assert allowed('losses', 'geometry') and allowed('losses', 'losses') and allowed('cli', 'viz') and allowed('viz', 'tree')
    assert allowed('geometry', 'tree') and not allowed('tree', 'geometry') and allowed('cli', 'bench')
    assert circle({'a': {'b'}, 'b': {'c'}, 'c': set()}) is None and circle({'a': {'b'}, 'b': {'c'}, 'c': {'a'}}) == ['a', 'b', 'c', 'a']
    for frm, to in [('core', 'tree'), ('viz', 'train'), ('losses', 'train'), ('metrics', 'models'), ('losses', 'viz'), ('study', 'cli')]:
        assert not allowed(frm, to), (frm, to)


if __name__ == '__main__':
    self_test()
    n, faults = check_directions()
    found = circle(top_imports())
    if found: faults.append('modules import each other in a circle: ' + ' -> '.join(found))
    light, more = check_light()
    for f in faults + more: print(f)
    print(f'{n} files, {len(light)} light modules, {len(faults)+len(more)} faults')
    sys.exit(bool(faults or more or not n))
