"Tests of torchvision_cpu_mend.py: with stand-ins for torch and torchvision, and with the real ones of this environment"
import os, statistics, subprocess, sys, sysconfig, tempfile, textwrap
from pathlib import Path

TOOL = Path(__file__).with_name('torchvision_cpu_mend.py')
NAME = '_kfr_torchvision_cpu_mend'

TORCH = '''
class version: cuda, hip = {cuda!r}, {hip!r}
log = []
class library:
    class Library:
        def __init__(self, name, kind): log.append((name, kind))
        def define(self, schema): log.append(schema.partition('(')[0])
class ops:
    @staticmethod
    def load_library(path):
        if not {loads!r}: raise OSError('libtorch_cuda.so: cannot open shared object file')
'''


def world(folder, cuda=None, hip=None, loads=False):
    "A folder with the hook, a stand-in torch, and a stand-in torchvision with a compiled library"
    folder = Path(folder)
    (folder/f'{NAME}.py').write_text(TOOL.read_text())
    (folder/f'{NAME}.pth').write_text(f'import {NAME}\n')
    (folder/'torch.py').write_text(TORCH.format(cuda=cuda, hip=hip, loads=loads))
    (folder/'torchvision').mkdir()
    (folder/'torchvision'/'__init__.py').write_text('import torch\n')
    (folder/'torchvision'/'_C.so').write_bytes(b'')
    return folder


def python(code, folder=None, switch=''):
    "Run `code` in a Python that starts with the hook of `folder` (this environment's own if None); what it printed, and its errors"
    start = f'import sys, site; sys.path.insert(0, {str(folder)!r}); site.addsitedir({str(folder)!r})\n' if folder else ''
    env = {k: v for k, v in os.environ.items() if k not in ('KFR_TORCHVISION_MEND', 'PYTHONPATH')} | {'KFR_TORCHVISION_MEND': switch}
    flags = ['-I', '-S'] if folder else ['-I']
    r = subprocess.run([sys.executable, *flags, '-c', start + textwrap.dedent(code)], env=env, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout.strip(), r.stderr.strip()


def report(**kw):
    "What the hook declared, and what it said, in a world with these stand-ins"
    switch = kw.pop('switch', '')
    with tempfile.TemporaryDirectory() as d:
        return python('import torchvision, torch; print(torch.log)', world(d, **kw), switch)


def test_declares_and_says_so_where_builds_differ():
    out, err = report()
    assert out == str([('torchvision', 'DEF'), 'nms', 'qnms']), out
    assert 'built for CUDA' in err and len(err.splitlines()) == 1, err

def test_leaves_a_cuda_torch_alone(): assert report(cuda='13.0') == ('[]', '')
def test_leaves_a_rocm_torch_alone(): assert report(hip='6.4') == ('[]', '')
def test_leaves_a_torchvision_that_loads_alone(): assert report(loads=True) == ('[]', '')
def test_switch_off(): assert report(switch='off') == ('[]', '')
def test_switch_quiet(): assert report(switch='quiet') == (str([('torchvision', 'DEF'), 'nms', 'qnms']), '')

def test_children_stay_quiet():
    with tempfile.TemporaryDirectory() as d:
        out, _ = python('import torchvision, os; print(os.environ["KFR_TORCHVISION_MEND"])', world(d))
    assert out == 'quiet', out

def test_acts_on_import_only():
    with tempfile.TemporaryDirectory() as d:
        out, err = python('import importlib.util, sys; importlib.util.find_spec("torchvision"); print("torch" in sys.modules)', world(d))
    assert (out, err) == ('False', ''), (out, err)

def test_costs_little_at_start():
    with tempfile.TemporaryDirectory() as d:
        world(d)
        code = f'import sys, time; sys.path.insert(0, {d!r}); t = time.perf_counter(); import {NAME}; print((time.perf_counter()-t)*1e3)'
        run = lambda: float(subprocess.run([sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True, check=True).stdout)
        took = statistics.median(run() for _ in range(9))
    print(f'    the hook takes {took:.2f} ms of Python\'s start')
    assert 0 < took < 20, took

def test_refuses_outside_a_virtual_environment():
    bare = Path(sys.base_prefix)/'bin'/f'python{sys.version_info[0]}.{sys.version_info[1]}'
    site = Path(subprocess.run([bare, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'],
                               capture_output=True, text=True, check=True).stdout.strip())
    had = (site/f'{NAME}.pth').exists()
    r = subprocess.run([bare, TOOL], capture_output=True, text=True)
    assert r.returncode == 1 and 'not in a virtual environment' in r.stderr, (r.returncode, r.stderr)
    assert (site/f'{NAME}.pth').exists() == had

def test_here_torchvision_and_its_users_import():
    out, err = python('''
        import sys; assert 'torch' not in sys.modules and 'torchvision' not in sys.modules
        import torch, torchvision, torchvision.transforms.v2 as T, timm, pytorch_grad_cam, pytorch_metric_learning.losses
        net = torchvision.models.resnet18(weights=None).eval()
        x = T.RandomHorizontalFlip(1.)(torch.rand(1, 3, 64, 64))
        print(tuple(net(x).shape), len(timm.list_models('resnet18')))''')
    assert out.startswith('(1, 1000) '), (out, err)
    hook = (Path(sysconfig.get_path('purelib'))/f'{NAME}.pth').exists()
    assert ('built for CUDA' in err) == hook, (hook, err)


if __name__ == '__main__':
    tests = [f for name, f in list(globals().items()) if name.startswith('test_')]
    failed = 0
    for f in tests:
        try: f(); print(f'passed  {f.__name__}', flush=True)
        except Exception as e: failed += 1; print(f'FAILED  {f.__name__}: {type(e).__name__}: {e}', flush=True)
    print(f'{len(tests)-failed} passed, {failed} failed')
    sys.exit(failed > 0)
