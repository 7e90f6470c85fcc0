"""A headless Chromium for the checks: found on this machine, or installed where that is possible without asking anyone.

    with browser.page(width=1200) as (page, said):      # playwright's page, and what the console said
        page.goto(address)

`find()` is None where there is none, and `missing()` the sentence that says so; a check then prints it and leaves.
"""
import os, shutil, subprocess, tempfile
from contextlib import contextmanager
from pathlib import Path

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
OPTIONS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
           '--disable-sync', '--hide-scrollbars']


def find():
    "The path of a Chromium, or None: KFR_BROWSER, one on the path, or the one that `playwright install chromium` fetched"
    named = os.environ.get('KFR_BROWSER')
    if named:
        if not Path(named).is_file(): raise SystemExit(f'KFR_BROWSER={named}: there is no such file')
        return named
    on_path = next(filter(None, map(shutil.which, NAMES)), None)
    if on_path: return on_path
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p: own = p.chromium.executable_path
    return own if Path(own).is_file() else None


def missing():
    "What to say where no browser is found"
    return 'skipped: no Chromium here. Install one (apt-get install chromium, or .venv/bin/playwright install chromium), or name it: KFR_BROWSER=/path'


def install():
    "Install Debian's Chromium where this process is root and apt knows it; whether one is there afterwards"
    if find(): return True
    if not (hasattr(os, 'geteuid') and os.geteuid() == 0 and shutil.which('apt-get')): return False
    env = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
    done = [subprocess.run(['apt-get', *args], env=env, capture_output=True, text=True)
            for args in (['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', 'chromium'])]
    if done[-1].returncode: print('apt-get install chromium:', done[-1].stderr.strip()[-300:])
    return find() is not None


@contextmanager
def page(width=1200, height=900, dark=False, phone=False):
    "A page in a fresh headless browser, and the list to which its errors (console and uncaught) are added"
    from playwright.sync_api import sync_playwright
    said = []
    sandbox = ['--no-sandbox'] if hasattr(os, 'geteuid') and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as p:
        context = p.chromium.launch_persistent_context(profile, executable_path=find(), headless=True, args=OPTIONS+sandbox,
            viewport=dict(width=width, height=height), color_scheme='dark' if dark else 'light', is_mobile=phone)
        got = context.pages[0] if context.pages else context.new_page()
        got.on('console', lambda m: said.append(m.text) if m.type == 'error' else None)
        got.on('pageerror', lambda e: said.append(str(e)))
        try: yield got, said
        finally: context.close()


if __name__ == '__main__': print(find() if install() else missing())
