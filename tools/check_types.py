"""Type check of kfr_nb/ with basedpyright, settings in pyrightconfig.json.

nbdev writes a class over several cells, later methods as `@patch` functions or `Class.method = function`, which no
type checker knows. So the check reads a copy in which those functions stand in their classes, and reports lines of the real files.
"""
import ast, json, re, shutil, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {'as_prop': 'property', 'cls_method': 'classmethod', 'set_prop': None}


def patch_of(node):
    "(class name, decorators that a method would have) of a top-level `@patch` function, or None"
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)): return None
    first = (node.args.posonlyargs + node.args.args)[:1]
    for i, d in enumerate(node.decorator_list):
        name = d.func if isinstance(d, ast.Call) else d
        if not (isinstance(name, ast.Name) and name.id == 'patch'): continue
        kinds = [KINDS[k.arg] for k in d.keywords if k.arg in KINDS] if isinstance(d, ast.Call) else []
        if not first or not isinstance(first[0].annotation, ast.Name): return None
        others = [ast.unparse(o) for j, o in enumerate(node.decorator_list) if j != i]
        return first[0].annotation.id, [k for k in kinds if k] + others
    return None


def joined(source):
    "The source with `@patch` functions moved into their classes, and for each of its lines the number of the original line"
    tree, lines = ast.parse(source), source.split('\n')
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    moved, gone = {}, set()
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=name), attr=method)], value=ast.Name(id=function)) if name in classes:
                gone.add(node.lineno)
                moved.setdefault(name, []).append((node, f'    def {method}(self, *a, **k): return {function}(self, *a, **k)'))
                continue
        found = patch_of(node)
        if found is None or found[0] not in classes: continue
        first = min([d.lineno for d in node.decorator_list] + [node.lineno])
        gone.update(range(first, node.end_lineno+1))
        moved.setdefault(found[0], []).append((node, found[1]))
    out, numbers, ends = [], [], {c.end_lineno: name for name, c in classes.items()}
    for n, line in enumerate(lines, 1):
        out.append('' if n in gone else line)
        numbers.append(n)
        name = ends.get(n)
        for node, decorators in moved.get(name, []):
            if isinstance(decorators, str):
                out.append(decorators)
                numbers.append(node.lineno)
                continue
            body = lines[node.lineno-1:node.end_lineno]
            if 'classmethod' in decorators: body = re.sub(rf'\b(\w+) *: *{name}\b', r'\1', '\n'.join(body), count=1).split('\n')
            out += [f'    @{d}' for d in decorators] + ['    ' + l for l in body]
            numbers += [node.lineno]*len(decorators) + list(range(node.lineno, node.end_lineno+1))
    return '\n'.join(out), numbers


def check(package=ROOT/'kfr_nb'):
    "(file, line, message) of each error"
    with tempfile.TemporaryDirectory() as d:
        d, numbers = Path(d), {}
        shutil.copyfile(ROOT/'pyrightconfig.json', d/'pyrightconfig.json')
        for path in sorted(package.rglob('*.py')):
            dest = d/package.name/path.relative_to(package)
            dest.parent.mkdir(parents=True, exist_ok=True)
            text, numbers[dest.resolve()] = joined(path.read_text(encoding='utf-8'))
            dest.write_text(text, encoding='utf-8')
        cmd = [sys.executable, '-m', 'basedpyright', '--outputjson', '--level', 'error', '--pythonpath', sys.executable, '-p', str(d)]
        r = subprocess.run(cmd, cwd=d, capture_output=True, text=True)
        try: found = json.loads(r.stdout)
        except ValueError: sys.exit(f'basedpyright did not run:\n{r.stdout}{r.stderr}')
        if not found['summary']['filesAnalyzed']: sys.exit('basedpyright looked at no file')
        faults = []
        for e in found['generalDiagnostics']:
            path = Path(e['file']).resolve()
            line = numbers[path][e['range']['start']['line']] if path in numbers else 0
            faults.append((path.relative_to(d.resolve()), line, f"{e['message']} ({e.get('rule', 'syntax')})"))
        return faults, found['summary']['filesAnalyzed']


FAULTY = '''\
from __future__ import annotations
from fastcore.basics import patch
import torch
class A:
    def one(self)->int: return 'x'
@patch
def two(self:A, n:int)->int: return self.one() + n
@patch(as_prop=True)
def three(self:A)->int: return self.two(1)
@patch(cls_method=True)
def make(cls:A)->A: return cls()
def _twice(a:A)->int: return 2*a.one()
A.twice = _twice
def right(a:A)->int: return a.two(2) + a.three + A.make().one() + a.twice()
def wrong(a:A|None)->int:
    a.two()
    a.four
    undefined_name
    torch.zerros(3)
    return A().two(1, 2, 3)
'''


def self_test():
    "Right uses of patched methods pass, and each wrong line is found"
    with tempfile.TemporaryDirectory() as d:
        package = Path(d)/'kfr_nb'
        package.mkdir()
        (package/'__init__.py').write_text('')
        (package/'faulty.py').write_text(FAULTY)
        lines = {line for _, line, _ in check(package)[0]}
    assert lines == {5, 16, 17, 18, 19, 20}, lines


if __name__ == '__main__':
    self_test()
    faults, n = check()
    for path, line, message in faults: print(f'{path}:{line}: {message}')
    print(f'{n} files, {len(faults)} errors')
    sys.exit(bool(faults))
