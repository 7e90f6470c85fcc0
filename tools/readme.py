"""Writes README.md from nbs/index.ipynb: its text, its shown code and outputs, links made to start at the repository's root.

    python tools/readme.py            write it (and the pictures of its outputs, into nbs/images/readme/)
    python tools/readme.py --check    compare only; exit status 1 where they differ
"""
import argparse, base64, difflib, json, re, sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PICTURES = 'nbs/images/readme'
BADGES = '''[![tests](https://github.com/kfr-nb/kfr_nb/actions/workflows/test.yml/badge.svg)](https://github.com/kfr-nb/kfr_nb/actions/workflows/test.yml)
[![documentation](https://img.shields.io/badge/documentation-kfr--nb.github.io-1a5fa5)](https://kfr-nb.github.io/kfr_nb)
[![Python 3.10 to 3.13](https://img.shields.io/badge/python-3.10%20to%203.13-1a5fa5)](settings.ini)
[![Apache 2.0](https://img.shields.io/badge/licence-Apache%202.0-1a5fa5)](LICENSE)
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/kfr-nb/kfr_nb/blob/main/nbs/tutorials/01_quickstart.ipynb)'''
BUTTON = re.compile(r'(\]\([^)]*\))\{\.btn[^}]*\}( (?=\[))?')   # what the site makes a button of is a link here
HIDING = {'hide', 'export', 'exporti', 'default_exp'}


def directives(source):
    "The `#|` lines at the head of a cell as a dict, and the rest of its source"
    lines, found = source.split('\n'), {}
    while lines and (m := re.match(r'#\| *([\w-]+):? *(.*)', lines[0])):
        found[m[1]] = m[2].strip()
        lines.pop(0)
    return found, '\n'.join(lines).strip('\n')


def relink(text, base='nbs'):
    "Make the relative links and pictures of a Markdown text start at the repository's root; code stays as it is"
    def one(m):
        ref = m[2]
        if re.match(r'[a-z][a-z0-9+.-]*:|//|#|/', ref, re.I): return m[0]
        path, hash_, anchor = ref.partition('#')
        parts = []
        for p in PurePosixPath(base, path).parts:
            if p == '..': parts.pop()
            else: parts.append(p)
        if not (ROOT/'/'.join(parts)).exists(): sys.exit(f'readme: nbs/index.ipynb links to {ref}, which does not exist')
        return f'{m[1]}{"/".join(parts)}{hash_}{anchor}{m[3]}'
    parts = re.split(r'(```.*?```)', text, flags=re.S)
    link = lambda t: re.sub(r'(<img[^>]* src=")([^"]+)(")', one, re.sub(r'(\]\()([^)\s]+)((?: "[^"]*")?\))', one, t))
    return ''.join(p if i % 2 else link(p) for i, p in enumerate(parts))


def outputs(cell, pictures, alt=''):
    "The outputs of a cell as Markdown; pictures are added to `pictures`, path to bytes, and described by the cell's `fig-alt`"
    for out in cell.get('outputs', []):
        data = {k: ''.join(v) if isinstance(v, list) else v for k, v in out.get('data', {}).items()}
        if out['output_type'] == 'stream': yield '    ' + ''.join(out['text']).rstrip('\n').replace('\n', '\n    ')
        elif 'image/png' in data:
            path = f'{PICTURES}/output-{len(pictures)+1}.png'
            pictures[path] = base64.b64decode(data['image/png'])
            yield f'![{alt}]({path})'
        elif 'text/markdown' in data: yield relink(data['text/markdown'])
        elif 'text/html' in data: yield data['text/html']
        elif 'text/plain' in data: yield '    ' + data['text/plain'].rstrip('\n').replace('\n', '\n    ')


def render(nb):
    "README's text and pictures"
    parts, pictures = ['<!-- Made from nbs/index.ipynb by `make readme`: edit the notebook. -->'], {}
    for cell in nb['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            parts.append(BUTTON.sub(lambda m: m[1] + (' · ' if m[2] else ''), relink(source)))
            if source.startswith('# '): parts.append(BADGES)
        if cell['cell_type'] != 'code': continue
        found, code = directives(source)
        if HIDING & found.keys() or found.get('include') == 'false' or 'nbdev_export(' in code: continue
        if code and found.get('echo') != 'false': parts.append(f'```python\n{code}\n```')
        if found.get('output') != 'false': parts += outputs(cell, pictures, found.get('fig-alt', '').strip('"\''))
    return '\n\n'.join(p.strip('\n') for p in parts) + '\n', pictures


def main():
    p = argparse.ArgumentParser(description='README.md from nbs/index.ipynb')
    p.add_argument('--check', action='store_true', help='compare only')
    args = p.parse_args()
    text, pictures = render(json.loads((ROOT/'nbs'/'index.ipynb').read_text(encoding='utf-8')))
    readme = ROOT/'README.md'
    if not args.check:
        readme.write_text(text, encoding='utf-8')
        for path, data in pictures.items():
            (ROOT/path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT/path).write_bytes(data)
        return 0
    now = readme.read_text(encoding='utf-8')
    diff = list(difflib.unified_diff(now.splitlines(), text.splitlines(), 'README.md', 'nbs/index.ipynb', lineterm=''))
    stale = [path for path, data in pictures.items() if not (ROOT/path).is_file() or (ROOT/path).read_bytes() != data]
    print('\n'.join(diff + [f'{s} differs from the output in nbs/index.ipynb' for s in stale]) or 'README.md equals nbs/index.ipynb')
    if diff or stale: print('run `make readme`')
    return bool(diff or stale)


if __name__ == '__main__': sys.exit(main())
