"""Renders the notebooks as a site into _docs/, with Quarto where it is installed and with smalldocs otherwise.

Both read the same _quarto.yml. nbdev first turns the notebooks into pages (documentation of exported names, hidden cells
left out) in _proc/. smalldocs has no numbered equations, no cross-references and fetches its maths renderer from the network,
so for it equations are numbered here, references become links, and maths becomes MathML.
"""
import argparse, html, importlib, importlib.util, json, os, re, shutil, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS, PROC, OUT = ROOT/'nbs', ROOT/'_proc', ROOT/'_docs'
FIRST = ['found', 'reproduce', 'glossary', 'bibliography']
SECTIONS = {'tutorials': 'Tutorials', 'studies': 'Studies', 'api': 'Reference'}
KINDS = {'eq': 'Equation', 'fig': 'Figure', 'tbl': 'Table', 'sec': 'Section'}
EXPECTED = {'format.html.html-math-method is ignored'}      # smalldocs does not read it, and we do what it asks


def write_sidebar():
    "nbs/sidebar.yml: home and the pages beside it, then each folder's notebooks in the order of their numbers"
    pages = sorted((f.name for f in NBS.glob('*.ipynb') if f.name != 'index.ipynb' and f.name[0] not in '_.'),
        key=lambda n: (FIRST.index(n[:-6]) if n[:-6] in FIRST else len(FIRST), n))
    lines = ['website:', '  sidebar:', '    contents:', '      - index.ipynb', *(f'      - {p}' for p in pages)]
    for folder, title in SECTIONS.items():
        files = sorted(f for f in (NBS/folder).glob('*.ipynb') if f.name[0] not in '_.')
        if files: lines += [f'      - section: {title}', '        contents:', *(f'          - {folder}/{f.name}' for f in files)]
    (NBS/'sidebar.yml').write_text('\n'.join(lines) + '\n', encoding='utf-8')


def page_maker():
    "nbdev's processors, with one exchanged: exported names come from the exported module, so no lesson runs again"
    from execnb.shell import CaptureShell
    from nbdev.process import Processor
    from nbdev.processors import FilterDefaults, _default_exp, exec_show_docs

    class show_exported(Processor):
        "Run the `show_doc` cells, with everything in sight that the notebook's module holds"
        def begin(self):
            self.shell, name = CaptureShell(), _default_exp(self.nb)
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
        dest = PROC/rel
        dest.parent.mkdir(parents=True, exist_ok=True)
        if src.suffix == '.ipynb':
            nb = read_nb(src)
            try: make_page(nb)
            except Exception as e: raise RuntimeError(f'{src.relative_to(ROOT)} could not be made into a page') from e
            for cell in nb.cells:                           # names that begin with an underscore have no place to link to
                if cell.cell_type == 'markdown': cell.source = re.sub(r'\[(`[^`]+`)\]\([^)\s]*#(?:\w+\.)?_[a-z]\w*\)', r'\1', cell.source)
            unlink_code(nb)
            describe_figures(nb)
            if rel.parts[0] == 'studies': fold_code(nb)
            write_nb(nb, dest)
        else: shutil.copyfile(src, dest)


def text_cells(nb):
    "The parts of a notebook that hold Markdown: cells, and outputs of that kind; each with a way to set it"
    for cell in nb['cells']:
        if cell['cell_type'] == 'markdown': yield cell, 'source'
        for out in cell.get('outputs', []):
            if 'text/markdown' in out.get('data', {}): yield out['data'], 'text/markdown'


def unlink_code(nb):
    "A signature is code, in which a link would stand as it is written: names there are left as names"
    def plain(block): return re.sub(r'\[(`[^`\n]+`)\]\([^)\s]+\)', r'\1', block[0])
    for holder, key in text_cells(nb): holder[key] = re.sub(r'(?ms)^```.*?^```', plain, ''.join(holder[key]))


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
        cell['source'] = f'#| fig-alt: {json.dumps(" ".join(filter(None, [f"Figure, {heading}." if heading else "Figure.", said]))[:300], ensure_ascii=False)}\n' + source


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


def mathml(m, faults, where):
    "One formula as MathML"
    from latex2mathml.converter import convert
    tex, display = html.unescape(m[2]), 'block' if m[1] == 'display' else 'inline'
    tex = re.sub(r'\\(operatorname\*?)\{', r'\\operatorname{', tex)
    try: out = convert(tex, display=display)
    except Exception as e:                                  # the library raises classes of its own for each kind of mistake
        faults.append(f'{where}: formula cannot be rendered ({type(e).__name__}): {tex}')
        return m[0]
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


def own_fonts():
    "The themes ask a public server for their fonts at every visit; the reader's own will do"
    for f in OUT.rglob('*.css'):
        text = f.read_text(encoding='utf-8')
        short = re.sub(r"@import +url\([^)]*fonts\.googleapis[^)]*\) *;?|@import +[\"'][^\"']*fonts\.googleapis[^\"']*[\"'] *;?", '', text)
        if short != text: f.write_text(short, encoding='utf-8')


def render_smalldocs():
    "Build the site with smalldocs; return what is wrong with it"
    try: from smalldocs.site import build
    except ImportError: sys.exit('docs: neither Quarto nor smalldocs is installed (smalldocs needs Python 3.11 or later)')
    faults, pages = prepare_for_smalldocs()
    site = build(PROC, quiet=True)
    faults += [w for w in site.warnings if w not in EXPECTED]
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.move(site.out, OUT)
    return faults + finish_pages(pages, str(site.project.website.get('site-url') or ''))


def render_quarto():
    "Build the site with Quarto"
    code = subprocess.call(['quarto', 'render', '--no-execute'], cwd=PROC)
    if code: sys.exit(f'docs: quarto render ended with exit status {code}')
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.move(PROC/'_docs', OUT)
    return []


def main():
    p = argparse.ArgumentParser(description='Render the notebooks as a site into _docs/')
    p.add_argument('--with', dest='tool', choices=['quarto', 'smalldocs'], help='default: Quarto where it is installed')
    args, start = p.parse_args(), time.time()
    os.chdir(ROOT)
    tool = args.tool or ('quarto' if shutil.which('quarto') else 'smalldocs')
    if tool == 'quarto' and not shutil.which('quarto'):
        sys.exit('docs: Quarto is not installed; get it from https://quarto.org/docs/get-started or by pip install quarto-cli, or leave out --with')
    if args.tool is None and tool == 'smalldocs':
        print('docs: Quarto is not installed (https://quarto.org/docs/get-started, or pip install quarto-cli); rendering with smalldocs instead')
    process()
    faults = render_quarto() if tool == 'quarto' else render_smalldocs()
    own_fonts()
    for f in faults: print(f'docs: {f}')
    n = len(list(OUT.rglob('*.html')))
    print(f'docs: {n} pages in {OUT.relative_to(ROOT)}/ by {tool} in {time.time()-start:.0f} s, {len(faults)} faults')
    return 1 if faults else 0


if __name__ == '__main__': sys.exit(main())
