"""Makes .venv and installs the project with the versions of constraints.txt.

`make` calls this before everything else. A finished set-up leaves `.venv/ready`, written last, so that
a second call returns at once; anything else (interrupted, moved, broken) is made anew, and changed
requirements are installed over what is there. Old Pythons must be able to read this file.
"""
from __future__ import print_function
import os, sys

LEAST = (3, 10)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, '.venv')
BIN = os.path.join(VENV, 'Scripts' if os.name == 'nt' else 'bin')
READY = os.path.join(VENV, 'ready')
INPUTS = ['settings.ini', 'setup.py', 'constraints.txt', 'tools/setup_venv.py', 'tools/torchvision_cpu_mend.py']


def stop(text, code=2):
    "Say what is wrong and what to do, and end"
    print('set-up: ' + text, file=sys.stderr)
    sys.exit(code)


def check_python():
    "Stop unless this Python is new enough and can make virtual environments"
    name = '%d.%d' % sys.version_info[:2]
    if sys.version_info < LEAST:
        stop('Python %s (%s) is too old: 3.10 or later is needed. Name another one: make PYTHON=python3.11' % (name, sys.executable))
    try: import venv, ensurepip
    except ImportError as e:
        stop('Python %s (%s) cannot make virtual environments (%s). On Debian and Ubuntu: apt install python%s-venv; '
             'or name another Python: make PYTHON=python3.11' % (name, sys.executable, e, name))


def fingerprint():
    "What the set-up depends on, as one word"
    import hashlib
    h = hashlib.sha256()
    for name in INPUTS:
        with open(os.path.join(ROOT, *name.split('/')), 'rb') as f: h.update(f.read())
    return h.hexdigest()


def works():
    "Whether .venv holds a Python that starts, is new enough, and was made for this folder"
    import subprocess
    probe = 'import sys, os; print(os.path.realpath(sys.prefix)); sys.exit(sys.version_info < %r)' % (LEAST,)
    try: out = subprocess.run([os.path.join(BIN, 'python'), '-c', probe], capture_output=True, text=True)
    except OSError: return False
    if out.returncode or out.stdout.strip() != os.path.realpath(VENV): return False
    try:                                                    # a moved folder keeps the old path in its scripts
        with open(os.path.join(VENV, 'made-at')) as f: return f.read() == VENV
    except OSError: return False


def ready():
    "The fingerprint of the set-up that was finished here, or None"
    try:
        with open(READY) as f: return f.read().strip()
    except OSError: return None


def run(*args):
    "Run one step, and stop with its exit status where it fails"
    import subprocess
    env = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'PYTHONHOME', 'PIP_TARGET', 'PIP_PREFIX')}
    env['PIP_USER'] = '0'                                   # a user's own pip settings must not lead outside .venv
    code = subprocess.call([os.path.join(BIN, 'python')] + list(args), cwd=ROOT, env=env)
    if code: stop('%s failed with exit status %d; see above. The next call starts the set-up again.' % (' '.join(args[:3]), code), 1)


def install():
    "pip install, mend, mark as ready"
    import shutil, time
    t = time.time()
    done, want = ready(), fingerprint()
    if done is None or not works():
        if os.path.lexists(VENV):
            print('set-up: .venv is unfinished, moved or broken: making it anew')
            shutil.rmtree(VENV) if os.path.isdir(VENV) and not os.path.islink(VENV) else os.unlink(VENV)
        print('set-up: making .venv with Python %d.%d.%d; this takes a few minutes, once' % sys.version_info[:3])
        import venv
        venv.create(VENV, with_pip=True, symlinks=os.name != 'nt')
        with open(os.path.join(VENV, 'made-at'), 'w') as f: f.write(VENV)
    else:
        print('set-up: requirements have changed since .venv was made: installing what is missing')
        os.unlink(READY)
    pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '-c', 'constraints.txt']
    run(*pip + ['-q', 'setuptools', 'wheel'])
    run(*pip + ['--no-build-isolation', '--use-pep517', '-e', '.[dev]'])
    run(os.path.join('tools', 'torchvision_cpu_mend.py'))
    with open(READY + '.part', 'w') as f: f.write(want)
    os.replace(READY + '.part', READY)
    print('set-up: ready in %.0f s. To have the command kfr: %s; make lab opens the notebooks, make help lists the rest'
          % (time.time() - t, 'source .venv/bin/activate' if os.name != 'nt' else r'.venv\Scripts\activate'))


def main():
    if ready() is not None and ready() == fingerprint() and works(): return
    check_python()
    lock = open(os.path.join(ROOT, '.venv.lock'), 'w')      # two calls at once: the second waits, then finds it done
    try:
        import fcntl
        fcntl.flock(lock, fcntl.LOCK_EX)
    except ImportError: pass                                # Windows has no such lock, and one user
    if ready() != fingerprint() or not works(): install()


if __name__ == '__main__':
    try: main()
    except KeyboardInterrupt: stop('interrupted; the next call starts it again', 130)
    except OSError as e: stop('%s. The next call starts the set-up again.' % e, 1)   # a full disk, a folder that cannot be written
