"""Tests of gpu_queue.py: its commands say what it does, it resumes where it stopped, also on another machine, keeps what
had finished when it is killed, and needs no notebook library."""
import io, os, subprocess, sys, tarfile, tempfile, time
from contextlib import redirect_stderr
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tools')]
ABSENT = ('fastcore', 'nbdev', 'execnb', 'nltk', 'umap', 'pytorch_grad_cam')


def queue(folder, *args):
    "The queue in a process in which some packages are missing: exit status and output"
    block = Path(folder)/'block'
    block.mkdir(exist_ok=True)
    (block/'sitecustomize.py').write_text(f'''import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {ABSENT!r}: raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Missing())
''')
    env = os.environ | dict(PYTHONPATH=os.pathsep.join([str(block), str(ROOT)]), OMP_NUM_THREADS='1')
    r = subprocess.run([sys.executable, str(ROOT/'tools'/'gpu_queue.py'), *map(str, args)], env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return r.returncode, r.stdout


def commands():
    "Each printed command, given to `kfr`, asks for the study that the queue runs"
    import shlex
    import gpu_queue
    import kfr_nb.study as study
    from kfr_nb.cli import main
    asked, real = [], study.run_study
    def catch(preset, out=None, jobs=None, progress=True, command=None, minutes=None, **changes):
        asked.append(study.configure(preset, **changes))
        raise ValueError('caught')
    study.run_study = catch
    heavy = [gpu_queue.with_backbone(q, 'timm:tf_efficientnet_lite0') for q in gpu_queue.QUEUE]
    try:
        for piece in [*gpu_queue.QUEUE, *map(gpu_queue.tiny, gpu_queue.QUEUE), *heavy]:
            with redirect_stderr(io.StringIO()): main(shlex.split(gpu_queue.command(piece, 'results'))[1:])
            assert asked.pop() == piece.config(), piece
    finally: study.run_study = real
    names = [q.name for q in gpu_queue.QUEUE]
    assert len(set(names)) == len(names)
    assert heavy[1].name == 'mini_imagenet_paper_tf_efficientnet_lite0' and heavy[0] == gpu_queue.QUEUE[0]


def tables(folder): return {f.name: f.read_text() for f in sorted(Path(folder).glob('*.csv'))}


def pieces(d):
    "Stopped, gone on with, and carried to a bare machine"
    few = ('--tiny', '--quiet', '--jobs', 1, '--only', 'cifar100_sound', 'cub200_boxes', '--keep', f'{d}/kept.tar.gz')
    status, said = queue(d, *few, '--minutes', 1e-6, '--work', f'{d}/a', '--out', f'{d}/a_out')
    assert status == 75 and '0 of 2 runs, 1 begun' in said and '0 of 2 studies done' in said, said
    status, said = queue(d, *few, '--minutes', 30, '--work', f'{d}/a', '--out', f'{d}/a_out')
    assert status == 0 and '2 of 2 studies done' in said, said
    made = tables(f'{d}/a_out')
    assert {'cifar100_sound_runs.csv', 'cub200_boxes_runs.csv', 'cub200_boxes_localization.csv',
        'cub200_boxes_localization_curves.csv'} <= set(made), sorted(made)
    assert not list(Path(f'{d}/a_out').glob('*.safetensors')) and all('unfinished' not in t for t in made.values())
    status, said = queue(d, *few, '--minutes', 30, '--work', f'{d}/b', '--out', f'{d}/b_out')
    assert status == 0 and 'records from' in said, said
    same = {n: t for n, t in tables(f'{d}/b_out').items()}
    assert same == made, [n for n in made if same.get(n) != made[n]]
    assert not list(Path(f'{d}/b').rglob('weights.safetensors'))                 # nothing was trained there again
    status, said = queue(d, '--list', '--work', f'{d}/a')
    from kfr_nb.study import configure, plan
    assert status == 0 and said.count('kfr study --preset') == 7 and f"0 of {plan(configure('sound'))['key'].nunique()} runs" in said, said
    status, said = queue(d, '--only', 'cifar100')
    assert status == 2 and "no study 'cifar100'" in said, said


def killed(d):
    "A machine that is taken away: what had finished is kept"
    kept = Path(d)/'killed.tar.gz'
    words = ('--tiny', '--quiet', '--jobs', '1', '--only', 'cub200_ahsml_paper', '--keep', str(kept), '--out', f'{d}/k_out')
    process = subprocess.Popen([sys.executable, str(ROOT/'tools'/'gpu_queue.py'), *words, '--work', f'{d}/k'],
        env=os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic()+600
    while not kept.exists():
        assert process.poll() is None and time.monotonic() < end, 'no record was written while the study ran'
        time.sleep(0.02)
    process.kill()
    process.wait()
    with tarfile.open(kept) as t: assert sum(n.endswith('result.json') for n in t.getnames()) == 1, t.getnames()
    status, said = queue(d, *words, '--minutes', 30, '--work', f'{d}/bare')
    assert status == 0 and 'records from' in said and '1 of 1 studies done' in said, said
    assert len(list(Path(f'{d}/bare').rglob('weights.safetensors'))) == 1        # the other run alone was trained


def missing(d):
    "What is missing is said once for a study, before any of its runs begins"
    status, said = queue(d, '--quiet', '--only', 'cars196_ahsml_paper', '--work', f'{d}/m', '--out', f'{d}/m_out')
    assert status == 2 and said.count('cars196_ahsml_paper failed') == 1, said
    assert not list(Path(f'{d}/m').rglob('config.json')), said


if __name__ == '__main__':
    commands()
    for check in (pieces, killed, missing):
        with tempfile.TemporaryDirectory() as d: check(d)
    print('the queue says what it does, stops in time, resumes, and keeps what had finished')
