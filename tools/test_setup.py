"""Tests of setup_venv.py on a project of two files: made once, repaired after every kind of interruption, plain words on errors.

Each set-up here is a real one (venv, pip, setuptools from the lock), only the project has no requirements.
"""
import os, shutil, signal, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PY = Path(sys.base_prefix)/'bin'/f'python{sys.version_info[0]}.{sys.version_info[1]}'   # as a user would, outside the environment


def project(folder):
    "A tiny project with the real set-up script and Makefile"
    folder = Path(folder)
    (folder/'tools').mkdir(parents=True)
    for f in ('tools/setup_venv.py', 'Makefile'): shutil.copyfile(ROOT/f, folder/f)
    (folder/'tools'/'torchvision_cpu_mend.py').write_text('print("mended")\n')
    (folder/'settings.ini').write_text('[DEFAULT]\nversion = 0.0.1\n')
    (folder/'setup.py').write_text('from setuptools import setup\nsetup(name="tiny", version="0.0.1", py_modules=["tiny"], extras_require={"dev": []})\n')
    (folder/'tiny.py').write_text('answer = 42\n')
    locked = (ROOT/'constraints.txt').read_text().splitlines()
    (folder/'constraints.txt').write_text('\n'.join(l for l in locked if l.startswith(('setuptools==', 'wheel=='))) + '\n')
    return folder


def make(folder, *args, **kw):
    "`make setup` there: (exit status, all it printed)"
    r = subprocess.run(['make', '--no-print-directory', 'setup', f'PYTHON={kw.pop("python", PY)}', *args], cwd=folder, text=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
    return r.returncode, r.stdout


def healthy(folder):
    "The project can be imported with the environment's Python, from elsewhere"
    r = subprocess.run([folder/'.venv'/'bin'/'python', '-I', '-c', 'import tiny; print(tiny.answer)'], cwd='/',
        capture_output=True, text=True)
    return r.stdout.strip() == '42'


def interrupt(folder, sig, until):
    "Start a set-up, send `sig` to it and its children once `until()` holds"
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)      # a background shell leaves it ignored
    p = subprocess.Popen([PY, 'tools/setup_venv.py'], cwd=folder, start_new_session=True, preexec_fn=heed,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    limit = time.time() + 120
    while not until():
        assert p.poll() is None and time.time() < limit, 'the set-up ended before it could be interrupted'
        time.sleep(.01)
    os.killpg(p.pid, sig)
    p.communicate()
    return p.returncode


def checks(d):
    "One (name, function) for each property, in order; each starts from what the one before it left"
    here = project(d/'a folder')           # with a space in its name
    site = lambda: list(here.glob('.venv/lib/python*/site-packages/*'))

    def too_old():
        script = (here/'tools'/'setup_venv.py').read_text()
        (here/'tools'/'setup_venv.py').write_text(script.replace('LEAST = (3, 10)', 'LEAST = (99, 0)'))
        code, out = make(here)
        (here/'tools'/'setup_venv.py').write_text(script)
        assert code and 'is too old' in out and 'make PYTHON=' in out and not (here/'.venv').exists(), out

    def no_python():
        code, out = make(here, python='python-that-is-not-there')
        assert code and 'python-that-is-not-there' in out and 'make PYTHON=' in out, out

    def killed_while_making():
        assert interrupt(here, signal.SIGKILL, (here/'.venv'/'bin'/'python').exists) == -signal.SIGKILL
        assert not (here/'.venv'/'ready').exists()

    def interrupted_while_installing():
        assert interrupt(here, signal.SIGINT, lambda: any(p.name.startswith('pip-') for p in site())) == 130
        assert not (here/'.venv'/'ready').exists()

    def repaired():
        code, out = make(here)
        assert code == 0 and 'making it anew' in out and 'mended' in out and healthy(here), out

    def second_call():
        t = time.time()
        assert make(here) == (0, '')
        took = time.time()-t
        print(f'    a second call takes {took*1e3:.0f} ms')
        assert took < 5, took                # a busy machine; nothing is installed, as the empty output says

    def new_requirements():
        with open(here/'constraints.txt', 'a') as f: f.write('# changed\n')
        code, out = make(here)
        assert code == 0 and 'requirements have changed' in out and 'anew' not in out and healthy(here), out

    def failing_install():
        good = (here/'setup.py').read_text()
        (here/'setup.py').write_text('raise SystemExit("no such thing")\n')
        code, out = make(here)
        assert code and 'failed with exit status' in out and not (here/'.venv'/'ready').exists(), out
        (here/'setup.py').write_text(good)

    def broken_and_moved():
        assert make(here)[0] == 0
        moved = d/'moved'
        here.rename(moved)
        (moved/'.venv'/'bin'/'python').unlink()
        code, out = make(moved)
        assert code == 0 and 'making it anew' in out and healthy(moved), out

    def nothing_outside():
        left = sorted(p.name for p in d.iterdir())
        assert left == ['moved'], left

    return [(f.__name__.replace('_', ' '), f) for f in (too_old, no_python, killed_while_making, interrupted_while_installing, repaired,
            second_call, new_requirements, failing_install, broken_and_moved, nothing_outside)]


if __name__ == '__main__':
    failed = 0
    with tempfile.TemporaryDirectory() as d:
        tests = checks(Path(d).resolve())
        for name, f in tests:
            t = time.time()
            try: f(); print(f'passed  {name}, {time.time()-t:.1f} s', flush=True)
            except Exception as e: failed += 1; print(f'FAILED  {name}: {type(e).__name__}: {e}', flush=True)
    print(f'{len(tests)-failed} passed, {failed} failed')
    sys.exit(failed > 0)
