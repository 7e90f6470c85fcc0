"""A study on two hosts: two network namespaces joined by a cable, one shared folder, a scheduler on the first, a worker on each.

    python tools/test_two_hosts.py

Where the system allows no network namespaces, this says so and passes: nothing was tested then.
"""
import json, os, shutil, subprocess, sys, tempfile, time
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
TINY = dict(train_per_class=2, image_size=24, batch_size=24, test_limit=72, augment='flip', epochs=2, phase1=0.5)


def host_of(tell):
    "The name of the machine that does this; slow enough that no worker gets all jobs"
    import socket, time
    time.sleep(1)
    return socket.gethostname()


def study(address, folder):
    "What the user's process on the first host does: jobs that say where they are, and two runs that share their first phase"
    from kfr_nb.study import Job, Workers, make_runs, run_jobs
    from kfr_nb.train import TrainConfig
    workers = Workers(scheduler=address)
    records = run_jobs([Job(f'{i}', host_of) for i in range(4)], Path(folder)/'jobs', workers, progress=False)
    configs = [TrainConfig.of(method=m, **TINY) for m in ('kfr', 'kfr_free')]
    runs = make_runs(configs, Path(folder)/'runs', workers, progress=False)
    print(json.dumps(dict(hosts=sorted({r['value'] for r in records.values()}), runs=[r['status'] for r in runs.values()],
        errors=[r['error'] for r in runs.values()])))


def sh(*words): subprocess.run(words, check=True, capture_output=True, text=True)


@contextmanager
def network():
    "Two namespaces that see each other: their names and addresses"
    names = [f'kfr{os.getpid()}{c}' for c in 'ab']
    cables = [f'kv{os.getpid()%100000}{c}' for c in 'ab']
    addresses = ['10.213.77.1', '10.213.77.2']
    with ExitStack() as undo:
        for name in names:
            sh('ip', 'netns', 'add', name)
            undo.callback(subprocess.run, ['ip', 'netns', 'del', name], capture_output=True)
        sh('ip', 'link', 'add', cables[0], 'type', 'veth', 'peer', 'name', cables[1])
        for name, cable, address in zip(names, cables, addresses):
            sh('ip', 'link', 'set', cable, 'netns', name)
            for words in (['addr', 'add', f'{address}/24', 'dev', cable], ['link', 'set', cable, 'up'], ['link', 'set', 'lo', 'up']):
                sh('ip', '-n', name, *words)
        yield list(zip(names, addresses))


def on(host, name, words):
    "A command that runs in a namespace, under a host name of its own"
    return ['ip', 'netns', 'exec', host, 'unshare', '--uts', 'sh', '-c', f'hostname {name}; exec "$@"', 'sh', *words]


def wait_for(log, words, process, seconds=120):
    "Wait until a process has said something"
    end = time.monotonic()+seconds
    while words not in log.read_text(errors='replace'):
        if process.poll() is not None or time.monotonic() > end: raise RuntimeError(f'{words!r} was not said:\n{log.read_text()[-2000:]}')
        time.sleep(0.1)


def two_hosts(folder):
    "What the study on two hosts says"
    from kfr_nb.study.engine import stop_workers, worker_command, worker_environment
    env = os.environ | worker_environment() | dict(OMP_NUM_THREADS='1')
    log, started = folder/'log.txt', []
    def start(host, name, words):
        with open(log, 'ab') as f: started.append(subprocess.Popen(on(host, name, words), env=env, stdin=subprocess.DEVNULL, stdout=f, stderr=f))
        return started[-1]
    with network() as hosts:
        address = f'tcp://{hosts[0][1]}:8786'
        try:
            scheduler = start(hosts[0][0], 'first', [sys.executable, '-m', 'distributed.cli.dask_scheduler', '--host', hosts[0][1],
                '--port', '8786', '--no-dashboard'])
            wait_for(log, 'Scheduler at', scheduler)
            for (host, _), name in zip(hosts, ('first', 'second')):
                start(host, name, [*worker_command(address), '--local-directory', str(folder/name)])
            wait_for(log, 'Registered to', scheduler)
            r = subprocess.run(on(hosts[0][0], 'first', [sys.executable, __file__, '--study', address, str(folder)]), env=env,
                capture_output=True, text=True, timeout=600)
        finally: stop_workers(started)
    if r.returncode: raise RuntimeError(f'{r.stderr[-3000:]}\n{log.read_text()[-2000:]}')
    return json.loads(r.stdout.splitlines()[-1])


def refused():
    "Why there can be no namespaces here; '' where there can"
    if not shutil.which('ip') or not shutil.which('unshare'): return "no command 'ip' or 'unshare'"
    try:
        with network(): return ''
    except subprocess.CalledProcessError as e: return (e.stderr or str(e)).strip()


def main():
    if sys.argv[1:2] == ['--study']: return study(*sys.argv[2:4])
    why = refused()
    if why:
        print(f'two hosts: skipped, nothing was tested: this system allows no network namespaces ({why})')
        return
    with tempfile.TemporaryDirectory() as d: said = two_hosts(Path(d))
    assert said['hosts'] == ['first', 'second'], said
    assert said['runs'] == ['done', 'done'], said
    print(f"two hosts, {' and '.join(said['hosts'])}, did the jobs of one study in one folder")


if __name__ == '__main__': main()
