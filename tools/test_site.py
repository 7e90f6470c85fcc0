"""Opens every page of a rendered site in headless Chromium, from a server of its own: on a desk, on a phone, light and dark.

    python tools/test_site.py _docs                  every page
    python tools/test_site.py _docs index.html       those named
    python tools/test_site.py _docs --shots DIR      and keeps pictures of home, a study and a reference page

A page fails for an error in the console, a request of this site that finds nothing, a figure that is empty, blurred or has tiny
letters on a phone, a text or figure that sticks out of its screen, or a weight above 2 MB. Home has to find a word and turn dark, by its switch and by the
reader's system; the bar shows the part a page belongs to; a name's documentation is the first thing the search finds; a study's figure has to open in full. Interactive figures name their library,
plotly, by its public address; no check needs the network, so the copy that the plotly package brings answers for it. The figures of
the page Hands on are moved (tools/test_page_figures.py).
"""
import argparse, functools, http.server, sys, tempfile, threading, time
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).parent))
import browser, test_page_figures

HEAVY = 2_000_000                               # bytes of a page with everything it loads from the site
PHONE, DESK = dict(width=390, height=844), dict(width=1280, height=900)
SHOWN = ('index.html', 'tutorials/01_quickstart.html', 'api/42_kfr.html')
EMPTY = """async () => {                        // what a reader would miss
  const faults = [], name = e => e.tagName.toLowerCase() + (e.id ? '#'+e.id : '') + (e.className && e.className.split ? '.'+e.className.trim().split(/\\s+/).join('.') : '');
  for (const i of document.images) { i.loading = 'eager'; if (i.offsetParent !== null) { try { await i.decode() } catch (e) {} if (!i.naturalWidth) faults.push('empty picture ' + i.src.slice(0, 60)) } }
  for (const s of document.querySelectorAll('main svg')) { const r = s.getBoundingClientRect(); if (s.checkVisibility() && (r.width < 1 || r.height < 1)) faults.push('empty drawing ' + name(s)) }
  for (const p of document.querySelectorAll('.plotly-graph-div')) if (!p.querySelector('.main-svg, canvas')) faults.push('empty interactive figure #' + p.id)
  return faults }"""
WIDE = """() => {                                // what sticks out, the innermost elements only
  const w = document.documentElement.clientWidth, scrolls = e => { for (; e; e = e.parentElement) if (/auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX)) return true; return false };
  if (document.documentElement.scrollWidth <= w + 1) return [];
  const out = [...document.body.querySelectorAll('*')].filter(e => e.checkVisibility() && e.getBoundingClientRect().right > w + 1 && !scrolls(e.parentElement));
  return out.filter(e => !out.some(o => o !== e && e.contains(o))).slice(0, 3).map(e => '<' + e.tagName.toLowerCase() + ' class="' + e.className + '"> ' + e.textContent.trim().slice(0, 50)) }"""


FAINT = """() => {                               // text that can hardly be told from what is behind it
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number), light = c => { const [r, g, b] = rgb(c).map(v => (v /= 255) <= .03928 ? v/12.92 : ((v+.055)/1.055)**2.4); return .2126*r + .7152*g + .0722*b };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor, v = rgb(c); if (v.length < 4 || v[3] > .5) return c } return 'rgb(255,255,255)' };
  const faint = e => { const a = light(getComputedStyle(e).color), b = light(behind(e)); return (Math.max(a, b) + .05)/(Math.min(a, b) + .05) < 4.5 };
  const text = [...document.querySelectorAll('body *:not(script):not(style)')].filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return text.filter(faint).slice(0, 3).map(e => e.textContent.trim().slice(0, 40)) }"""


SMALL = """() => {                               // figures whose letters are too small to read, or which are shown larger than they are
  const faults = [], one = t => t.textContent.trim().slice(0, 30);
  for (const s of document.querySelectorAll('main .cell-output svg[width$="pt"]')) {
    if (!s.checkVisibility()) continue;
    const scale = s.getBoundingClientRect().width/s.viewBox.baseVal.width, sizes = [...s.querySelectorAll('text')].map(t => [scale*parseFloat(getComputedStyle(t).fontSize), t]).sort((a, b) => a[0] - b[0]);
    if (sizes.length && sizes[0][0] < 8.5) faults.push(`letters of ${sizes[0][0].toFixed(1)} px in a figure: ${one(sizes[0][1])}`);
  }
  for (const i of document.querySelectorAll('main .cell-output img')) if (i.checkVisibility() && i.naturalWidth && !/svg/.test(i.src.slice(0, 40)) && i.clientWidth > 1.05*i.naturalWidth) faults.push(`a figure of ${i.naturalWidth} px is shown at ${i.clientWidth}: ${i.alt.slice(0, 40)}`);
  return faults.slice(0, 3) }"""


DARK = """() => { const c = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number); return c[0] + c[1] + c[2] < 200 }"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass


def serve(folder):
    "A server of the folder on a free port"
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def plotly_copy():
    "The library of interactive figures as its package brings it, with its version"
    import plotly
    from plotly.offline import get_plotlyjs, get_plotlyjs_version
    return get_plotlyjs().encode(), get_plotlyjs_version()


class Site:
    "A browser's page on a served folder: what was loaded, what was missing, what was said"
    def __init__(self, page, said, folder, address):
        self.page, self.said, self.folder, self.address = page, said, folder, address
        self.loaded, self.missing = set(), []
        page.set_default_timeout(120_000)
        page.route('**/*', self.answer)
        page.on('response', lambda r: self.missing.append(f'{r.status} for {r.url[len(address):]}')
            if r.url.startswith(address) and r.status >= 400 else None)

    def answer(self, route):
        url = route.request.url
        if url.startswith(self.address):
            self.loaded.add(unquote(urlsplit(url).path).lstrip('/'))
            return route.continue_()
        if 'cdn.plot.ly/plotly-' in url:
            body, version = plotly_copy()
            if f'plotly-{version}.' in url:
                return route.fulfill(body=body, content_type='text/javascript', headers={'access-control-allow-origin': '*'})
            self.missing.append(f'{url} is another version than the package, {version}: run the notebook again')
        elif not url.startswith('data:'): self.missing.append(f'{url} is loaded from the network')
        return route.abort()

    def open(self, name):
        "Faults of one page"
        self.loaded.clear(); self.missing.clear(); self.said.clear()
        self.page.set_viewport_size(DESK)
        self.page.goto(f'{self.address}{name}', wait_until='load')
        if self.page.query_selector('.plotly-graph-div'): self.page.wait_for_timeout(500)
        faults = self.page.evaluate(EMPTY)
        self.page.set_viewport_size(PHONE)
        faults += [f'wider than a phone: {e}' for e in self.page.evaluate(WIDE)] + self.page.evaluate(SMALL)
        weight = sum(f.stat().st_size for f in (self.folder/p for p in self.loaded) if f.is_file())
        if weight > HEAVY: faults.append(f'{weight/1e6:.1f} MB with all it loads, more than {HEAVY/1e6:g}')
        return [*faults, *self.missing, *(f'console: {s}' for s in self.said if 'Failed to load resource' not in s)], weight

    def home(self):
        "Faults of what only home is asked: the search, the switch between light and dark"
        self.page.set_viewport_size(DESK)
        self.page.goto(f'{self.address}index.html', wait_until='load')
        faults, ground = [], lambda: self.page.evaluate('getComputedStyle(document.body).backgroundColor')
        light = ground()
        faults += [f'faint text: {t}' for t in self.page.evaluate(FAINT)]
        self.page.locator('.quarto-color-scheme-toggle:visible').first.click()
        self.page.wait_for_timeout(500)
        if ground() == light: faults.append('the switch for dark pages changes nothing')
        faults += [f'faint text on the dark page: {t}' for t in self.page.evaluate(FAINT)]
        self.page.locator('.quarto-color-scheme-toggle:visible').first.click()
        self.page.keyboard.press('/')
        self.page.keyboard.type('recall_at_k', delay=10)
        try: self.page.get_by_text('recall_at_k', exact=False).last.wait_for(timeout=20_000)
        except Exception as e: faults.append(f'the search finds no recall_at_k ({type(e).__name__})')
        hits = self.page.locator('.aa-Item, .search-result, [role=option]').count()
        return faults + ([] if hits else ['the search shows no result']) + self.dark_by_system()

    def dark_by_system(self):
        "Faults where the reader's system asks for dark pages and nothing else was chosen"
        self.page.evaluate('localStorage.clear()')
        self.page.emulate_media(color_scheme='dark')
        self.page.goto(f'{self.address}index.html', wait_until='load')
        faults = [] if self.page.evaluate(DARK) else ["a dark system gets a light page"]
        faults += [f'faint text in the dark: {t}' for t in self.page.evaluate(FAINT)]
        self.page.emulate_media(color_scheme='light')
        return faults

    def bar(self, name):
        "Faults of the bar: one entry is current, that of the page's own part"
        self.page.goto(f'{self.address}{name}', wait_until='load')
        current = self.page.evaluate("[...document.querySelectorAll('#quarto-header .nav-link.active')].map(a => a.getAttribute('href'))")
        part = name.partition('/')[0]
        there = len(current) == 1 and (Path(name).parent/current[0]).resolve() == Path(f'{part}/index.html').resolve()
        return [] if there else [f'{name}: current in the bar is {current}, not {part}']

    def documents(self, word):
        "Faults of the search for a name: the first result has to be the place that documents it"
        self.page.goto(f'{self.address}index.html', wait_until='load')
        self.page.keyboard.press('/')
        self.page.keyboard.type(word, delay=10)
        first = self.page.locator('.search-result, .aa-Item a, .search-result-link').first
        try: first.wait_for(timeout=20_000)
        except Exception as e: return [f'the search for {word} shows nothing ({type(e).__name__})']
        self.page.wait_for_timeout(400)
        href = first.get_attribute('href') or ''
        return [] if href.partition('#')[2] == word.lower() else [f'the first result for {word} is {href}']

    def enlarges(self, name):
        "Faults of a wide figure: a click has to show it in its own size, Escape to put it away, and again from the keyboard"
        self.page.set_viewport_size(DESK)
        self.page.goto(f'{self.address}{name}', wait_until='load')
        figure = self.page.locator('main img.enlarges').first
        if not figure.count(): return [f'no figure of {name} can be enlarged']
        faults, full = [], self.page.locator('dialog.enlarged[open] img')
        for way, act in (('a click', figure.click), ('Enter', lambda: figure.press('Enter'))):
            act()
            if full.count() != 1 or full.evaluate('i => i.clientWidth < i.naturalWidth'):
                faults.append(f'{name}: {way} on a figure does not show it in full')
            self.page.keyboard.press('Escape')
            self.page.wait_for_timeout(200)
            if full.count(): faults.append(f'{name}: Escape leaves the enlarged figure open')
        return faults


BAD = {'empty picture': '<img src="none.png">', '404 for none.js': '<script src="none.js"></script>',
    'console: boom': '<script>console.error("boom")</script>',
    'console: foo is not defined': '<script>foo()</script>', 'empty drawing svg': '<svg width="9" height="0"></svg>',
    'empty interactive figure': '<div class="plotly-graph-div" id="p"></div>',
    'letters of 4.5 px': '<div class="cell-output"><svg width="100pt" viewBox="0 0 200 9" style="width:100px"><text y="9" style="font-size:9px">few</text></svg></div>',
    'a figure of 1 px is shown at 90': '<div class="cell-output"><img width="90" alt="dot" src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="></div>',
    'wider than a phone': '<div style="width:500px">far out</div>',
    'from the network': '<img src="https://example.org/a.png">', 'more than 2': '<img src="big.bin">'}


def prove():
    "Each kind of fault, on a page that has it; a page without any has none"
    with tempfile.TemporaryDirectory() as tmp, browser.page(**DESK) as (page, said):
        folder = Path(tmp)
        (folder/'big.bin').write_bytes(b'0'*(HEAVY+1))
        pages = {f'{i}.html': (word, html)
            for i, (word, html) in enumerate(BAD.items())} | {'good.html': ('',
            '<p>fine</p><svg width="9" height="9"><rect width="9" height="9"/></svg>')}
        for name, (_, html) in pages.items():
            (folder/name).write_text(f'<!doctype html><title>t</title><link rel="icon" href="data:,"><meta name="viewport" content="width=device-width"><main>{html}</main>')
        server = serve(folder)
        try:
            site = Site(page, said, folder, f'http://127.0.0.1:{server.server_port}/')
            for name, (word, html) in pages.items():
                found, _ = site.open(name)
                if word and not any(word in f for f in found) or not word and found:
                    sys.exit(f'test_site: {html!r} should give {word or "nothing"!r}, and gave {found}')
        finally: server.shutdown()


def main():
    p = argparse.ArgumentParser(description='Open the pages of a rendered site in a browser')
    p.add_argument('folder', type=Path), p.add_argument('pages', nargs='*')
    p.add_argument('--shots', type=Path, help='folder for pictures')
    args, start = p.parse_args(), time.time()
    if not browser.find(): return print(browser.missing()) or 0
    folder = args.folder.resolve()
    names = args.pages or sorted(str(f.relative_to(folder)) for f in folder.rglob('*.html'))
    if not names: sys.exit(f'{args.folder} holds no page: make docs renders them')
    prove()
    server, faults, heaviest = serve(folder), [], (0, '')
    try:
        with browser.page(**DESK) as (page, said):
            site = Site(page, said, folder, f'http://127.0.0.1:{server.server_port}/')
            for n in names:
                found, weight = site.open(n)
                faults += [f'{n}: {f}' for f in found]
                heaviest = max(heaviest, (weight, n))
            if 'index.html' in names: faults += [f'index.html: {f}' for f in site.home()]
            faults += [f for n in SHOWN[1:] if n in names for f in site.bar(n)]
            if SHOWN[2] in names: faults += site.documents('quantitative_relativity_loss')
            if SHOWN[1] in names: faults += site.enlarges(SHOWN[1])
            for n in filter(test_page_figures.PAGE.search, names): faults += [f'{n}: {f}' for f in test_page_figures.check(page, site.address+n, said)]
            for n in (n for n in SHOWN if args.shots and n in names):
                for kind, size in (('desk', DESK), ('phone', PHONE)):
                    page.set_viewport_size(size), page.goto(f'{site.address}{n}', wait_until='load')
                    args.shots.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=str(args.shots/f'{Path(n).stem}-{kind}.png'))
    finally: server.shutdown()
    for f in faults: print(f)
    print(f'{len(names)} pages in {time.time()-start:.0f} s, heaviest {heaviest[1]} with {heaviest[0]/1e6:.1f} MB, {len(faults)} faults')
    return bool(faults)


if __name__ == '__main__': sys.exit(main())
