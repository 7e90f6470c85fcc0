"""Checks that a method defined in a file of one's own is trained, interrupted, resumed, compared and offered like the package's.

    python tools/test_new_method.py

The method is the one of nbs/tutorials/07_a_method_of_your_own.ipynb, taken from that page, so that page and check cannot differ.
"""
import json, os, signal, subprocess, sys, tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT/'nbs'/'tutorials'/'07_a_method_of_your_own.ipynb'
SETTINGS = dict(dataset='shapes', image_size=32, train_per_class=4, test_limit=72, batch_size=36, epochs=3, lr=2e-3,
    device='cpu', method='class_means', phase1=0.34, momentum=0.8)
KILLED = '''import json, os, signal
import class_means
from kfr_nb.train import TrainConfig, fit
def die(task, progress):
    if (progress.epoch, progress.step) == (2, 2): os.kill(os.getpid(), signal.SIGKILL)
fit(TrainConfig.from_dict(json.loads(os.environ['CONFIG'])), out='killed', progress=False, on_step=die)
'''


class Unplugged(Exception):
    "What stops a run in its middle"


def method_file():
    "The cell of the page that writes class_means.py, without its first line"
    cells = json.loads(PAGE.read_text(encoding='utf-8'))['cells']
    found = [''.join(c['source']) for c in cells if ''.join(c['source']).startswith('%%writefile class_means.py')]
    assert len(found) == 1, f'{PAGE.name} has {len(found)} cells that write class_means.py'
    return found[0].partition('\n')[2]


def same(a, b):
    "Equal weights, to the last bit"
    import torch
    from kfr_nb.core import read_weights
    a,b = (read_weights(run.path/'weights.safetensors') for run in (a, b))
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def settings():
    "Its settings are settings of a run; a wrong name is refused with the nearest"
    from kfr_nb.train import TrainConfig
    config = TrainConfig.of(**SETTINGS)
    assert config.method.knowledge.tree == 'real' and config.joins() == 1
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.key() != config.changed(momentum=0.9).key()
    try: config.changed(momentun=0.9)
    except ValueError as e: assert "did you mean 'momentum'" in str(e), e
    else: raise AssertionError('a setting with a wrong name was taken')
    return config


def interrupted(config):
    "Stopped by an exception and killed by the system, it ends with the weights of a run that was never stopped"
    from kfr_nb.train import fit
    whole = fit(config, out='whole', progress=False)
    assert whole.history['train_pull'].isna().tolist() == [True, False, False]
    def stop(task, progress):
        if (progress.epoch, progress.step) == (2, 1): raise Unplugged
    try: fit(config, out='stopped', progress=False, on_step=stop)
    except Unplugged: pass
    else: raise AssertionError('the run was not stopped')
    assert same(fit(config, out='stopped', progress=False), whole), 'other weights after an exception'
    killed = subprocess.run([sys.executable, '-c', KILLED], env=os.environ | dict(CONFIG=json.dumps(config.to_dict())))
    assert killed.returncode == -signal.SIGKILL and not Path('killed/result.json').exists(), killed.returncode
    assert same(fit(config, out='killed', progress=False), whole), 'other weights after SIGKILL'
    control = fit(config.changed(method=config.method.controlled()), out='control', progress=False)
    assert not same(control, whole), 'the shuffled tree makes no difference'
    return whole


def compared():
    "A study has it and its control as arms"
    from kfr_nb.study import run_study
    study = run_study('quick', out='study', jobs=1, progress=False, reduced=True, epochs=1, phase1=0., test_limit=72, sweep=None,
        arms=('ce', 'class_means', 'class_means_shuffled'))
    assert study.runs['status'].tolist() == ['done']*3, study.runs[['arm', 'error']]
    assert 'Class means (shuffled tree)' in study.report.read_text(encoding='utf-8')


def offered(whole):
    "The command line trains it, and its help has the comments of its fields"
    from kfr_nb.cli import main
    def kfr(*words):
        with redirect_stdout(StringIO()) as said, redirect_stderr(StringIO()) as complained:
            try: status = main(list(words))
            except SystemExit as e: status = e.code
        assert not status, complained.getvalue()
        return said.getvalue()
    kfr('train', *whole.config.command().split()[2:], '--out', 'line', '--quiet')
    from kfr_nb.train import load_run
    assert same(load_run('line'), whole), 'other weights by the command line'
    assert 'kept at each step' in kfr('train', '--method', 'class_means', '--help')


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path('class_means.py').write_text(method_file(), encoding='utf-8')
        paths = [folder, str(ROOT)]
        os.environ['PYTHONPATH'] = os.pathsep.join([*paths, *filter(None, [os.environ.get('PYTHONPATH')])])
        sys.path[:0] = paths
        import class_means  # enters the method
        config = settings()
        print('settings: names, records, keys', flush=True)
        whole = interrupted(config)
        print('interrupted by an exception and by SIGKILL: equal weights', flush=True)
        compared()
        print('a study: the method and its control', flush=True)
        offered(whole)
        print('kfr train: the method and its options', flush=True)
        os.chdir(ROOT)


if __name__ == '__main__': main()
