"""Drives nbs/tutorials/06_hands_on.ipynb as a person would: JupyterLab, a browser, Run All Cells, then every figure is moved by mouse or keyboard.

    python tools/test_widgets.py                 needs a Chromium (tools/browser.py); says so and leaves where there is none
    python tools/test_widgets.py --shots DIR     also writes pictures of the page there

The notebook is a copy in a temporary folder, and JupyterLab keeps its files in .cache: nothing in the repository changes.
"""
import argparse, json, os, socket, subprocess, sys, tempfile, time, urllib.request
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import browser

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT/'nbs'/'tutorials'/'06_hands_on.ipynb'
IDLE = "() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
WAIT = 240_000                                                       # milliseconds: a busy machine is no fault
# what the console says that is none of ours: JupyterLab asks for files that a bare server does not have
NOT_OURS = ('favicon', 'Failed to load resource', 'ResizeObserver', 'WebSocket', 'jupyterlab/api/translations', 'news')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


@contextmanager
def lab(folder):
    "A JupyterLab over a folder; its address"
    port, cache = free_port(), ROOT/'.cache'
    quiet = cache/'jupyter-test'/'settings'/'@jupyterlab'/'apputils-extension'/'notification.jupyterlab-settings'
    quiet.parent.mkdir(parents=True, exist_ok=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')                  # no question about news over the controls
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]),
        'MPLBACKEND': 'agg', 'IPYTHONDIR': str(cache/'ipython'), 'MPLCONFIGDIR': str(cache/'matplotlib'),
        'NUMBA_CACHE_DIR': str(cache/'numba'),
        **{f'JUPYTER_{k}_DIR': str(cache/'jupyter-test'/k.lower()) for k in ('CONFIG', 'DATA', 'RUNTIME')},
        'JUPYTERLAB_SETTINGS_DIR': str(cache/'jupyter-test'/'settings'),
        'JUPYTERLAB_WORKSPACES_DIR': str(cache/'jupyter-test'/'workspaces')}
    cmd = [sys.executable, '-m', 'jupyterlab', '--no-browser', f'--port={port}', '--ServerApp.port_retries=0',
        '--IdentityProvider.token=', '--ServerApp.password=', f'--ServerApp.root_dir={folder}',
           '--expose-app-in-browser', '--ServerApp.allow_root=True', '--ip=127.0.0.1']
    with open(Path(folder)/'lab.log', 'wb') as log:
        server = subprocess.Popen(cmd, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            if server.poll() is not None: break
            try: urllib.request.urlopen(f'http://127.0.0.1:{port}/api', timeout=2); break
            except OSError: time.sleep(.2)
        else: raise SystemExit('JupyterLab did not answer within two minutes\n'+(Path(folder)/'lab.log').read_text()[-2000:])
        if server.poll() is not None: raise SystemExit('JupyterLab ended\n'+(Path(folder)/'lab.log').read_text()[-2000:])
        yield f'http://127.0.0.1:{port}'
    finally:
        server.terminate()
        try: server.wait(15)
        except subprocess.TimeoutExpired: server.kill(); server.wait()


def copied(folder):
    "The notebook with what it reads beside it, as in the repository but apart from it"
    (Path(folder)/'tutorials').mkdir(); results = Path(folder)/'studies'/'_results'; results.mkdir(parents=True)
    nb = json.loads(NOTEBOOK.read_text(encoding='utf-8'))
    for c in nb['cells']:
        if c['cell_type'] == 'code': c['outputs'] = []                 # what is seen afterwards was made here
    (Path(folder)/'tutorials'/NOTEBOOK.name).write_text(json.dumps(nb), encoding='utf-8')
    for f in (ROOT/'nbs'/'studies'/'_results').iterdir(): (results/f.name).symlink_to(f)


class Hand:
    "One figure of the page, and what moves it"
    def __init__(self, page, box, number):
        self.page, self.box, self.number, self.took = page, box, number, []
        self.box.scroll_into_view_if_needed()

    def picture(self): return self.box.locator('img').first.evaluate('i => i.src')

    def moved(self, what, act):
        "Do it, wait for the figure to change, and note how long that took"
        before = self.picture(); start = time.perf_counter(); act()
        try:
            self.page.wait_for_function('([i, before]) => i.src !== before && i.complete && i.naturalWidth > 100',
                arg=[self.box.locator('img').first.element_handle(), before], timeout=WAIT, polling=10)
        except Exception: raise AssertionError(f'figure {self.number}: {what} changed nothing; it says {self.box.inner_text()[-300:]!r}')
        self.took.append(1000*(time.perf_counter()-start))

    def slider(self, k, keys):
        "The k-th slider, by the keyboard"
        handle = self.box.locator('.noUi-handle').nth(k); handle.focus()
        for key in keys: self.moved(f'slider {k}, {key}', lambda: handle.press(key))

    def drag(self, k, share):
        "The k-th slider, by the mouse: its handle to a share of its length"
        line, handle = self.box.locator('.noUi-target').nth(k).bounding_box(), self.box.locator('.noUi-handle').nth(k).bounding_box()
        def pull():
            m = self.page.mouse; m.move(handle['x']+handle['width']/2, handle['y']+handle['height']/2); m.down()
            m.move(line['x']+share*line['width'], line['y']+line['height']/2, steps=3); m.up()
        self.moved(f'slider {k}, dragged', pull)

    def choose(self, k, label):
        "A line of the k-th menu"
        self.moved(f'menu {k}, {label}', lambda: self.box.locator('select').nth(k).select_option(label=label))

    def press(self, text): self.moved(f'button {text}', lambda: self.box.locator('button', has_text=text).first.click())


def tree(h):
    field = h.box.locator('input[type=text]').first
    h.moved('a class typed', lambda: field.fill('oak tree'))
    # a wrong name says so
    field.fill('oakk')
    h.page.wait_for_function("b => b.innerText.includes('no class is called')", arg=h.box.element_handle(), timeout=WAIT)
    h.moved('another class', lambda: field.fill('lion'))
    menu = h.box.locator('select').first; lines = menu.locator('option').all_inner_texts(); h.choose(0, lines[len(lines)//2])
    h.moved('edges counted anew', lambda: h.box.locator('input[type=checkbox]').click()); h.slider(0, ['ArrowRight'])


def sweep(h): h.slider(0, ['ArrowRight', 'ArrowRight']); h.choose(0, 'Mistake severity (edges)')


def disc(h): h.slider(0, ['ArrowRight', 'ArrowRight']); h.drag(0, .2); h.drag(1, .1); h.slider(4, ['ArrowLeft'])


def margins(h):
    h.slider(0, ['ArrowRight', 'ArrowRight'])
    lines = h.box.locator('select').first.locator('option').all_inner_texts(); h.choose(0, lines[2])
    h.press('60 % wrong'); h.moved('play', lambda: h.box.locator('.jupyter-widgets.widget-play button').first.click())


def cams(h):
    h.slider(0, ['ArrowRight', 'ArrowRight']); h.drag(0, .6); h.press('wrong'); h.choose(1, 'KFR'); h.choose(2, 'Eigen-CAM')
    lines = h.box.locator('select').first.locator('option').all_inner_texts(); h.choose(0, lines[3])


FIGURES = dict(tree=tree, sweep=sweep, disc=disc, margins=margins, cams=cams)


def run_all(page, address):
    "Open the notebook, wait for its kernel, run all cells, wait for the figures"
    page.set_default_timeout(WAIT)
    page.goto(f'{address}/lab/tree/tutorials/{NOTEBOOK.name}?reset', wait_until='domcontentloaded')
    page.wait_for_function('() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === "idle"', timeout=WAIT)
    page.wait_for_function(IDLE, timeout=WAIT); page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"n => document.querySelectorAll('.jp-OutputArea .widget-image').length >= n || document.querySelector('[data-mime-type=\"application/vnd.jupyter.stderr\"], .jp-OutputArea-output.jp-mod-error')", arg=len(FIGURES), timeout=WAIT)
    page.wait_for_function(IDLE, timeout=WAIT)
    wrong = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.flatMap(c => c.model.type === 'code' ? c.model.outputs.toJSON().filter(o => o.output_type === 'error').map(o => o.ename+': '+o.evalue) : [])")
    if wrong: raise SystemExit(f'a cell failed: {wrong[0]}')


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0]); p.add_argument('--shots', type=Path)
    a = p.parse_args(); start = time.time()
    if not browser.find(): print(browser.missing()); return 0
    with tempfile.TemporaryDirectory() as folder:
        copied(folder)
        with lab(folder) as address, browser.page(width=1400, height=1000) as (page, said):
            run_all(page, address); print(f'all cells ran after {time.time()-start:.0f} s')
            boxes = page.locator('.widget-vbox:has(> .widget-image)'); all_took = []
            if boxes.count() != len(FIGURES):
                raise SystemExit(f'{boxes.count()} figures with controls on the page instead of {len(FIGURES)}')
            for k, (name, act) in enumerate(FIGURES.items()):
                h = Hand(page, boxes.nth(k), name)
                if a.shots: a.shots.mkdir(parents=True, exist_ok=True); h.box.screenshot(path=a.shots/f'{name}_before.png')
                act(h); all_took += h.took
                if a.shots: h.box.screenshot(path=a.shots/f'{name}_after.png'); page.screenshot(path=a.shots/f'{name}_page.png')
                print(f'{name}: {len(h.took)} moves, each changed the figure; median {sorted(h.took)[len(h.took)//2]:.0f} ms from the move to the figure')
            ours = [s for s in said if not any(n in s for n in NOT_OURS)]
            if ours: print('the console said:', *ours, sep='\n  '); return 1
            print(f'{len(FIGURES)} figures, {len(all_took)} moves, median {sorted(all_took)[len(all_took)//2]:.0f} ms, {time.time()-start:.0f} s')
    return 0


if __name__ == '__main__': sys.exit(main())
