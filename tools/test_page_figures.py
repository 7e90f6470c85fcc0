"""Moves the figures that a page draws without a kernel, and compares what they say and show with what the package computes.

    python tools/test_page_figures.py _docs                   the page Hands on of a rendered site, on a desk and a phone, light and dark
    python tools/test_page_figures.py _docs --shots DIR       and keeps pictures of the figures before and after the moves

Every control is moved by keyboard, u is dragged in the disc, and Play is pressed. What is expected comes from the stored results and
the functions of the package, not from the page. Letters are 9 pixels or more, text stands out from its ground, every control has a
name, and nothing sticks out of the screen. `tools/test_site.py` does the same when it comes to this page.
"""
import argparse, re, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))
PAGE = re.compile(r'tutorials/(\d+_)?hands_on\.html$')
SCREENS = [(dict(width=w, height=h), scheme) for w, h in ((1280, 900), (390, 844)) for scheme in ('light', 'dark')]
LOOKS = """box => {                             // what cannot be read, reached or seen in a figure
  const faults = [], width = document.documentElement.clientWidth;
  const numbers = c => { const v = c.match(/[\\d.]+(e-?\\d+)?/g).map(Number), s = c.startsWith('color(') ? 255 : 1; return [...v.slice(0, 3).map(x => s*x), v[3] ?? 1] };
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v/12.92 : ((v+.055)/1.055)**2.4); return .2126*r + .7152*g + .0722*b };
  const behind = e => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor); if (c[3] > .5) return c.slice(0, 3) } return [255, 255, 255] };
  const texts = [...box.querySelectorAll('*')].filter(e => e.checkVisibility() && e.tagName !== 'title' && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  for (const e of texts) {
    const style = getComputedStyle(e), svg = e.closest('svg'), at = e.getBoundingClientRect();
    const size = parseFloat(style.fontSize)*(svg ? svg.getBoundingClientRect().width/svg.viewBox.baseVal.width : 1);
    if (size < 9) faults.push(`letters of ${size.toFixed(1)} px: ${e.textContent}`);
    const ground = behind(e), ink = numbers(svg ? style.fill : style.color), seen = ink.slice(0, 3).map((v, k) => ink[3]*v + (1 - ink[3])*ground[k]);
    const [a, b] = [light(seen), light(ground)].sort((x, y) => y - x);
    if ((a + .05)/(b + .05) < 4.5) faults.push(`faint text: ${e.textContent}`);
    if (e.tagName !== 'OPTION' && (at.right > width + 1 || at.left < -1)) faults.push(`out of the screen: ${e.textContent}`);
  }
  for (const e of box.querySelectorAll('input, select')) if (!(e.labels?.[0]?.textContent || '').trim()) faults.push('a control without a name');
  for (const e of box.querySelectorAll('svg[role=img]')) if (!e.getAttribute('aria-label') || e.getBoundingClientRect().width < 100) faults.push('a drawing without a name or a size');
  if (document.documentElement.scrollWidth > width + 1) faults.push('the page scrolls sideways');
  return [...new Set(faults)].slice(0, 6) }"""


PIXELS = """async image => {                     // the colours of a heat map, row by row
  const i = new Image(); i.src = image.getAttribute('href'); await i.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: i.width, height: i.height}), pen = canvas.getContext('2d');
  pen.drawImage(i, 0, 0);
  return [i.width, i.height, [...pen.getImageData(0, 0, i.width, i.height).data]] }"""


class Figure:
    "One figure of the page: what it says, and what moves it"
    def __init__(self, box, name):
        self.box, self.name = box, name
        self.page = box.page
        box.scroll_into_view_if_needed()

    def said(self): return self.box.locator('.kfr-said').inner_text()

    def title(self, k): return self.box.locator('figcaption').nth(k).inner_text()

    def words(self, k): return self.box.locator('figure').nth(k).locator('svg text').all_text_contents()

    def drawing(self): return self.box.locator('.kfr-panels').inner_html()

    def heat(self, k, M, low, high, root=False):
        "The heat map of the k-th panel has the colours of this matrix; NaN is grey"
        import numpy as np
        from kfr_nb.viz.page import _ramp
        width, height, data = self.box.locator('figure').nth(k).locator('image').first.evaluate(PIXELS)
        same((width, height), M.shape, f'size of the heat map {k}')
        colours = {c: i for i, c in enumerate(_ramp())} | {'#d9d9d9': np.nan}
        seen = [colours['#%02x%02x%02x' % tuple(c)] for c in np.array(data).reshape(-1, 4)[:, :3]]
        share = np.clip((M-low)/(high-low), 0, 1).ravel()
        expected = 63*(share**.5 if root else share)
        off = np.abs(np.array(seen)-expected)
        same(np.isnan(seen).tolist(), np.isnan(expected).tolist(), f'grey cells of the heat map {k}')
        assert np.nanmax(off) <= .51, f'heat map {k}: cell {np.nanargmax(off)} is off by {np.nanmax(off):.2f} of 63 steps'

    def moved(self, what, act):
        "Do it; the drawing has to change"
        before = self.drawing()
        act()
        assert self.drawing() != before, f'{what} changes nothing'

    def press(self, label, *keys):
        "Keys on the control with this label"
        control = self.box.get_by_label(label, exact=False).first
        control.focus()
        for key in keys: self.moved(f'{label}, {key}', lambda: control.press(key))
        return control

    def choose(self, label, option):
        self.moved(f'{label}, {option}', lambda: self.box.get_by_label(label, exact=True).select_option(label=option))


def same(got, expected, where):
    "A fault that names both"
    assert got == expected, f'{where}: the page has {got!r}, expected {expected!r}'


def close(got, expected, where, eps):
    assert len(got) == len(expected) and all(abs(a-b) <= eps for a, b in zip(got, expected)), f'{where}: the page has {got}, expected {expected}'


def numbers(text): return [float(v) for v in re.findall(r'[-−]?\d+(?:\.\d+)?', text.replace('−', '-'))]


def tree(figure):
    "A class, its nearest classes with their common ancestors, and a branch that is kept"
    import numpy as np
    from kfr_nb.knowledge import load_tree
    from kfr_nb.viz.style import readable
    from kfr_nb.viz.widgets import pruned_distances
    cifar = load_tree('cifar100')

    def expect(name, keep=None, many=10):
        rows, D = pruned_distances(cifar, keep)
        D, me = D.numpy(), rows.index(cifar.index(name))
        near = [k for k in np.argsort(D[me], kind='stable') if k != me][:many]
        first = cifar.classes[rows[near[0]]]
        same(figure.said(), f'{readable(name)}: nearest is {readable(first)}, {D[me, near[0]]:g} edges away, via {readable(cifar.lca(name, first))}', name)
        shown = figure.words(1)
        same(shown[::2], [readable(cifar.classes[rows[k]]) for k in near], f'nearest classes of {name}')
        close([numbers(t)[0] for t in shown[1::2]], [D[me, k] for k in near], f'their distances from {name}', 1e-6)
        for t, k in zip(shown[1::2], near):
            assert readable(cifar.lca(name, cifar.classes[rows[k]])).startswith(t.partition(' via ')[2].rstrip('…')), t
        pairs = D[np.triu_indices(len(D), 1)]
        close(numbers(figure.title(2)), [len(D), pairs.mean(), pairs.min(), pairs.max()], f'distances within {keep or "all"}', .051)
        same(figure.words(0)[-1], readable(name), 'end of the path')
        figure.heat(2, D, 0, float(cifar.distances().max()))

    expect('tiger')
    for name in ('oak_tree', 'bus', 'lion'):
        figure.choose('class', readable(name))
        expect(name)
    figure.press('nearest', 'ArrowRight', 'ArrowRight')
    expect('lion', many=12)
    keep = figure.box.get_by_label('keep only')
    carnivores = next(o for o in keep.locator('option').all_text_contents() if o.startswith('carnivore ('))
    figure.choose('keep only', carnivores)
    expect('lion', 'carnivore.n.01', 12)
    figure.moved('a click on a bar', lambda: figure.box.locator('figure').nth(1).locator('g.pick').first.click())
    clicked = figure.words(0)[-1]
    expect(next(c for c in cifar.classes if readable(c) == clicked), 'carnivore.n.01', 12)


def stored(name='shapes_hands_on'):
    import numpy as np
    with np.load(ROOT/'nbs'/'studies'/'_results'/f'{name}.npz') as f: return dict(f)


def sweep(figure):
    "Every weight: accuracy, severity, collapse, and where the points lie"
    import numpy as np, pandas as pd
    from kfr_nb.knowledge import load_tree
    from kfr_nb.viz.branches import tree_order
    table, found = pd.read_csv(ROOT/'nbs'/'studies'/'_results'/'shapes_quick_sweep.csv'), stored()
    shapes = load_tree('shapes-by-outline')
    D, order = shapes.distances().numpy(), tree_order(shapes)

    def expect(k, column, scale):
        alpha, N = found['alpha'][k], found['alpha_counts'][k].astype(float)
        wrong, runs = N*(1-np.eye(len(N))), table[table['alpha'] == alpha]
        right, far = round(100*np.trace(N)/N.sum()), (wrong*D).sum()/wrong.sum()
        said = figure.said()
        same(said.partition('.')[0], f'α = {alpha:g}', 'the weight')
        mean = numbers(said.partition(': ')[2])[0]
        close([mean], [scale*runs[column].mean()], f'{column} at α = {alpha:g}', max(.006*abs(mean), 1e-4))
        close(numbers(figure.title(2)), [right, far], f'mistakes at α = {alpha:g}', .051)
        assert said.endswith(f'Collapsed: {runs["collapsed"].sum()} of {len(runs)} runs.'), said
        figure.heat(2, (N/N.sum(1, keepdims=True))[np.ix_(order, order)], 0, 1, root=True)
        places = figure.box.locator('g.moves').evaluate_all('all => all.map(g => g.style.transform)')
        x, y = np.array([numbers(p) for p in places]).T
        for got, want in ((x, found['alpha_maps'][k, :, 0]), (-y, found['alpha_maps'][k, :, 1])):
            assert np.corrcoef(got, want.astype(float))[0, 1] > .9999, f'the points at α = {alpha:g} are not those of the map'

    expect(0, 'top1', 100)
    for k in range(1, 5):
        figure.press('α', 'ArrowRight')
        expect(k, 'top1', 100)
    figure.choose('curve', 'Mistake severity (edges)')
    expect(4, 'mistake_severity', 1)
    figure.press('α', 'Home')
    expect(0, 'mistake_severity', 1)


def disc(figure):
    "Curvatures and points by keyboard, and a point by hand: the distance is the package's"
    import torch
    from kfr_nb.geometry import expmap0, poincare_distance
    sliders = figure.box.locator('input[type=range]')

    def expect():
        k, *at = sliders.evaluate_all('all => all.map(i => +i.value)')
        tau, u, v = 10**k, torch.tensor(at[:2]).double(), torch.tensor(at[2:]).double()
        a, b = expmap0(u, tau=tau), expmap0(v, tau=tau)
        close(numbers(figure.said()), [float(poincare_distance(a, b, tau=tau)), 2*float(u.norm()), 2*float(v.norm())], f'tau {tau}, u {at[:2]}, v {at[2:]}', .0051)
        grips = figure.box.locator('g.grip').evaluate_all("all => all.map(g => g.getAttribute('transform'))")
        for grip, p in zip(grips, (a, b)):
            close(numbers(grip), [158+150*tau**.5*float(p[0]), 158-150*tau**.5*float(p[1])], f'a point at tau {tau}', .02)
        line = figure.box.locator('.geodesic').get_attribute('points').split()
        close([*numbers(line[0]), *numbers(line[-1])], [*numbers(grips[0]), *numbers(grips[1])], 'ends of the geodesic', .02)

    expect()
    figure.press('curvature', 'ArrowRight', 'ArrowRight', 'End')
    expect()
    figure.press('curvature', 'Home')
    expect()
    figure.press('curvature', *['PageUp']*4)
    expect()
    for name in ('u: x', 'u: y', 'v: x', 'v: y'):
        figure.press(name, 'ArrowLeft', 'PageUp')
        expect()
    grip = figure.box.locator('g.grip circle').first
    grip.scroll_into_view_if_needed()
    at, mouse = grip.bounding_box(), figure.page.mouse
    x, y = at['x']+at['width']/2, at['y']+at['height']/2
    centre = figure.box.locator('figure svg').first.bounding_box()
    to = (.4*x+.6*(centre['x']+centre['width']/2), .4*y+.6*(centre['y']+centre['height']/2))

    def pull():
        mouse.move(x, y)
        mouse.down()
        mouse.move(*to, steps=4)
        mouse.up()
    figure.moved('u, dragged', pull)
    now = grip.bounding_box()
    close([now['x']+now['width']/2, now['y']+now['height']/2], to, 'u, dragged', 8)
    expect()


def margins(figure):
    "Epochs, runs, a class, Play: the three margins are the stored ones"
    import numpy as np
    from kfr_nb.core import read_json
    from kfr_nb.knowledge import load_tree
    from kfr_nb.viz.branches import tree_order
    from kfr_nb.viz.style import readable
    found, classes = stored(), read_json(ROOT/'nbs'/'studies'/'_results'/'shapes_hands_on.json')['margins']['classes']
    epochs, C = found['margin_sample'].shape[1], len(classes)
    order, every = tree_order(load_tree('shapes-by-outline').prune(classes)), found['margin_negative'].astype(float)
    between = every[:, :, ~np.eye(C, dtype=bool)]

    def expect(run, epoch, name=None):
        rows = [classes.index(name)] if name else list(range(len(classes)))
        negative = every[run, epoch-1]
        figure.heat(0, np.where(np.eye(C, dtype=bool), np.nan, negative)[np.ix_(order, order)], between.min(), between.max())
        apart = np.mean([[negative[a, b] for b in range(len(classes)) if b != a] for a in rows])
        inside = [found[f'margin_{k}'][run, epoch-1].astype(float)[rows].mean() for k in ('positive', 'sample')]
        said = figure.said()
        assert said.startswith(f'Epoch {epoch}, ') and (readable(name) if name else 'Mean of all classes') in said, said
        close(numbers(said)[-3:], [apart, *inside], f'margins of run {run} in epoch {epoch}', .0011)

    expect(0, 1)
    figure.press('epoch', 'ArrowRight', 'ArrowRight')
    expect(0, 3)
    for k in (1, 2):
        figure.moved('another run', lambda: figure.box.locator('input[type=radio]').nth(k).check())
        expect(k, 3)
    figure.choose('class', readable(classes[5]))
    expect(2, 3, classes[5])
    figure.moved('Play', lambda: (figure.box.get_by_role('button', name='Play').click(), figure.page.wait_for_timeout(900)))
    figure.box.get_by_role('button', name='Play').wait_for(timeout=20_000)            # it says so again at the last epoch
    expect(2, epochs, classes[5])
    figure.press('epoch', 'Home')
    expect(2, 1, classes[5])


FIGURES = dict(tree=tree, sweep=sweep, disc=disc, margins=margins)


def check(page, address, said, shots=None):
    "Faults of the page at an address: its figures, moved on every screen"
    faults = []
    for size, scheme in SCREENS:
        where = f'{size["width"]} px, {scheme}'
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme, reduced_motion='reduce')
        said.clear()
        page.goto(address, wait_until='load')
        boxes = page.locator('.kfr-page[data-alive=yes]')
        if boxes.count() != len(FIGURES):
            faults.append(f'{where}: {boxes.count()} figures can be moved instead of {len(FIGURES)}; the console says {said}')
            continue
        for k, (name, moves) in enumerate(FIGURES.items()):
            figure = Figure(boxes.nth(k), name)
            look(figure, shots, f'{name}-{size["width"]}-{scheme}-before')
            faults += [f'{where}, {name}: {f}' for f in figure.box.evaluate(LOOKS)]
            try: moves(figure)
            except AssertionError as e: faults.append(f'{where}, {name}: {e}')
            look(figure, shots, f'{name}-{size["width"]}-{scheme}-after')
            faults += [f'{where}, {name}, moved: {f}' for f in figure.box.evaluate(LOOKS)]
        faults += [f'{where}: console: {s}' for s in said if 'Failed to load resource' not in s]
    page.emulate_media(color_scheme='light', reduced_motion='no-preference')
    return faults


def look(figure, shots, name):
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        figure.box.screenshot(path=str(shots/f'{name}.png'))


def main():
    import browser
    from test_site import serve
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('folder', type=Path)
    p.add_argument('--shots', type=Path, help='folder for pictures')
    args, start = p.parse_args(), time.time()
    if not browser.find(): return print(browser.missing()) or 0
    folder = args.folder.resolve()
    names = [n for n in sorted(str(f.relative_to(folder)) for f in folder.rglob('*.html')) if PAGE.search(n)]
    if len(names) != 1: sys.exit(f'{args.folder} has {len(names)} pages Hands on: tools/docs.py renders one')
    server = serve(folder)
    try:
        with browser.page() as (page, said):
            page.set_default_timeout(120_000)
            faults = check(page, f'http://127.0.0.1:{server.server_port}/{names[0]}', said, args.shots)
    finally: server.shutdown()
    for f in faults: print(f)
    print(f'{len(FIGURES)} figures on {len(SCREENS)} screens in {time.time()-start:.0f} s, {len(faults)} faults')
    return bool(faults)


if __name__ == '__main__': sys.exit(main())
