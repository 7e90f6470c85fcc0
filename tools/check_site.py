"""Checks a rendered site: every internal link, image, script and anchor is there, every image says what it shows, no formula is left as TeX, no output holds a message of one machine, and neither pages nor stylesheets load anything from the network.

    python tools/check_site.py _docs
    python tools/check_site.py _docs --network      pages may load things from the network (Quarto's widgets do)
"""
import re, sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {('img', 'src'), ('script', 'src'), ('link', 'href'), ('source', 'src'), ('video', 'src'), ('iframe', 'src'), ('object', 'data')}
NETWORK = {'cdn.plot.ly'}                   # interactive figures name their library by address
MEANT = {'pre', 'code', 'script', 'style', 'math', 'textarea'}       # where a dollar sign is meant
FETCHED = re.compile(r"""@import\s*(?:url\()?\s*["']?([^"')\s;]+)|url\(\s*["']?((?:https?:)?//[^"')\s]+)""")   # by a stylesheet
LINK = re.compile(r'\[`[^`\n]+`\]\(http[^)\s]+\)')                 # a link of Markdown that was left as text in code
MACHINE = 'torchvision is built for CUDA and torch for the CPU'     # a message of one machine, stored with an output
TEX = re.compile(r'\$(?=[^\s$])[^$\n]{0,90}(?<=[^\s$])\$')


def tells(alt, src):
    "Whether an alternative text says anything: some words, not a file's name"
    return bool(alt) and len(alt.strip()) >= 10 and ' ' in alt.strip() and alt.strip() not in unquote(src or '')


class Page(HTMLParser):
    "The ids of a page, and what it links to and loads"
    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loads, self.silent, self.images, self.title, self.maths = set(), [], [], [], 0, False, 0
        self.open, self.words, self.code = [], [], []
        self.feed(text)
        self.raw_links = LINK.findall(''.join(self.code))
        self.machine = MACHINE in text
        self.tex = TEX.findall(''.join(self.words))

    def handle_data(self, data):
        if not self.open: self.words.append(data)
        elif 'pre' in self.open: self.code.append(data)

    def handle_endtag(self, tag):
        if self.open and tag == self.open[-1]: self.open.pop()

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag in MEANT: self.open.append(tag)
        for key in ('id', 'name'):
            if a.get(key): self.ids.add(a[key])
        self.title |= tag == 'title'
        self.maths += tag == 'math'
        self.images += tag == 'img'
        if tag == 'img' and not tells(a.get('alt'), a.get('src')): self.silent.append(f"{a.get('alt')!r} ({(a.get('src') or '')[:40]})")
        for key, value in attrs:
            if value is None: continue
            if (tag, key) in LOADS and a.get('rel') != 'canonical': self.loads.append(value)
            elif key == 'href': self.links.append(value)


def check(folder, network=False):
    "Faults of a site, and how many pages, links and images were looked at"
    pages = {p: Page(p.read_text(encoding='utf-8')) for p in sorted(folder.rglob('*.html'))}
    faults, links, images = [], 0, 0

    def target(page, ref):
        "(file, anchor) of a reference within the site; None for another scheme or host"
        u = urlsplit(ref)
        if u.scheme or u.netloc: return None
        file = (folder/unquote(u.path).lstrip('/') if u.path.startswith('/') else page.parent/unquote(u.path)) if u.path else page
        if file.is_dir(): file = file/'index.html'
        return file.resolve(), unquote(u.fragment)

    for f in sorted(folder.rglob('*.css')):
        links += 1
        for ref in map(''.join, FETCHED.findall(f.read_text(encoding='utf-8'))):
            if urlsplit(ref).netloc: faults.append(f'{f.relative_to(folder)}: loads {ref[:120]} from the network')
    parsed = {p.resolve(): v for p, v in pages.items()}
    for path, page in pages.items():
        where = path.relative_to(folder)
        images += page.images
        if not page.title: faults.append(f'{where}: no title')
        faults += [f'{where}: an image without words for those who do not see it: {s}' for s in page.silent]
        faults += [f'{where}: a formula is left as text: {t}' for t in page.tex]
        faults += [f'{where}: a link is left as text in code: {t}' for t in page.raw_links]
        if page.machine: faults.append(f'{where}: an output holds a message of one machine: execute it with KFR_TORCHVISION_MEND=quiet')
        for ref in page.loads:
            links += 1
            t = target(path, ref)
            if t is None:
                u = urlsplit(ref)
                if not network and u.scheme != 'data' and u.netloc not in NETWORK:
                    faults.append(f'{where}: loads {ref[:120]} from the network')
            elif not t[0].is_file(): faults.append(f'{where}: {ref} is missing')
        for ref in page.links:
            t = target(path, ref)
            if t is None: continue
            links += 1
            file, anchor = t
            if not file.is_file(): faults.append(f'{where}: broken link {ref}')
            elif anchor and file in parsed and anchor not in parsed[file].ids: faults.append(f'{where}: no place {ref}')
    return faults, len(pages), links, images


if __name__ == '__main__':
    named = [a for a in sys.argv[1:] if a != '--network']
    folder = Path(named[0] if named else '_docs')
    faults, pages, links, images = check(folder, network='--network' in sys.argv)
    for f in faults: print(f)
    if not pages: print(f'{folder} holds no page')
    print(f'{pages} pages, {links} links, {images} images, {len(faults)} faults')
    sys.exit(bool(faults) or not pages)
