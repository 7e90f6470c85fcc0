"""Runs the notebooks as tests: what `nbdev_test` does, each notebook in its own process, with a count at the end.

    python tools/run_tests.py                       every notebook
    python tools/run_tests.py nbs/api/10_tree.ipynb nbs/tutorials
    python tools/run_tests.py --flags 'slow data'   also the cells marked #| slow and #| data

Cells marked `#| eval: false`, and those with a flag of settings.ini's `tst_flags`, are left out as nbdev leaves them out.

The processes are forked from one that has imported the libraries in `preload.py` (never this package), which saves some
three seconds per notebook. `--fresh` starts a new interpreter for each notebook instead.
"""
import argparse, compileall, json, multiprocessing, os, subprocess, sys, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.connection import wait
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# those that take longest start first, so that the workers end together; the rest go by their number of cells
LONGEST = [
    'tutorials/05_many_gpus', 'tutorials/07_a_method_of_your_own', 'tutorials/01_quickstart', 'api/90_cli',
    'tutorials/03_your_own_images', 'api/71_train_methods', 'api/80_viz_atlas', 'api/75_study_make',
    'tutorials/04_your_own_training_loop', 'api/71_train_rivals', 'api/70_train', 'api/74_run_export',
    'studies/50_margins_and_noise', 'studies/60_hyperbolic_geometry', 'api/60_models', 'studies/10_quantitative_relativity',
    'api/75_study_workers', 'api/75_study_failures', 'studies/40_gradcam_gallery', 'api/74_run_pictures', 'api/75_study_runs',
    'api/75_study_story', 'api/73_run_localization', 'api/72_runs', 'api/20k_data_feeds', 'found', 'api/55_localization', 'api/85_bench',
    'api/48_decisions', 'api/54_localization_scores', 'api/50a_ranking_checks', 'api/94_cli_runs', 'api/80_viz_retrieval',
    'api/24_fetch', 'api/80_viz_tree']


def notebooks(names):
    "The notebooks to run: all that nbdev knows, or those named (files or folders)"
    from nbdev.doclinks import nbglob
    known = sorted(Path(f).resolve() for f in nbglob(ROOT/'nbs', as_path=True))
    known = [f for f in known if not (f.parent/'.notest').exists()]
    if not names: return known
    wanted = [Path(n).resolve() for n in names]
    for w in wanted:
        if not w.exists(): sys.exit(f'run_tests: {w} does not exist')
    return [f for f in known if any(f == w or w in f.parents for w in wanted)]


def longest_first(files):
    "Notebooks in the order in which they start"
    def cost(f):
        name = f.relative_to(ROOT/'nbs').with_suffix('').as_posix()
        return (LONGEST.index(name), 0) if name in LONGEST else (len(LONGEST), -len(json.loads(f.read_text(encoding='utf-8'))['cells']))
    return sorted(files, key=cost)


def cells(path, skip):
    "How many code cells run, how many are left out, and for which flags"
    from nbdev.frontmatter import FrontmatterProc
    from nbdev.process import NBProcessor
    nb = NBProcessor(path, procs=FrontmatterProc, process=True).nb
    code = [c for c in nb.cells if c.cell_type == 'code' and c.source.strip() and 'nbdev_export'+'(' not in c.source]
    if str(getattr(nb, 'frontmatter_', {}).get('skip_exec', '')).lower() in ('1', 'true', 'yes', 'on'): return 0, len(code), {'skip_exec'}
    ran, why = 0, set()
    for c in code:
        directives = getattr(c, 'directives_', None) or {}
        out = skip & directives.keys()
        if directives.get('eval:', [''])[0].lower() == 'false': out = out | {'eval: false'}
        why |= out
        ran += not out
    return ran, len(code)-ran, why


def one(path, flags):
    "Run one notebook in this process; print its failure; exit status 0, 1 (failed) or 3 (no cell ran)"
    from nbdev.config import get_config
    from nbdev.test import test_nb
    skip = set(get_config().tst_flags.split())
    ran, left, why = cells(path, skip - set(flags))
    print(f'{ran} cells' + (f', {left} left out ({", ".join(sorted(why))})' if left else ''), flush=True)
    if not ran: return 3
    os.chdir(ROOT/'nbs')
    ok, _ = test_nb(path, skip_flags=skip, force_flags=flags, basepath=ROOT)
    return 0 if ok else 1


def forked(path, flags, log):
    "Run one notebook in this process, which was forked; what it prints goes to a file"
    with open(log, 'w') as f:
        os.dup2(f.fileno(), 1)
        os.dup2(f.fileno(), 2)
    if 'preload' not in sys.modules: sys.exit('run_tests: the process was not forked from one that has imported preload.py')
    sys.stdin.close()
    sys.stdin = open(os.devnull)
    multiprocessing.set_start_method(None, force=True)             # the default, as in a new interpreter, not that of this process
    code = one(path, flags)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


# Starting a process also reads the exit status of others that have ended. Two threads that read one status at a time make it
# 255 now and then, so a lock lets one read.
ONE_READER = threading.Lock()


def in_fork(path, args, env, server):
    "Exit status and output of one notebook in a process that is forked from the server"
    with tempfile.NamedTemporaryFile('r', suffix='.log', errors='replace') as log:
        p = server.Process(target=forked, args=(path, args.flags.split(), log.name))
        with ONE_READER: p.start()
        in_time = wait([p.sentinel], args.timeout)
        if not in_time: p.kill()
        wait([p.sentinel])
        with ONE_READER: p.join()
        code = p.exitcode if in_time else 124
        out = log.read()
    return code, out + (f'\nstopped after {args.timeout} s' if code == 124 else '')


def in_interpreter(path, args, env, server):
    "Exit status and output of one notebook in a new interpreter"
    cmd = [sys.executable, __file__, '--one', str(path), '--flags', args.flags]
    try:
        r = subprocess.run(cmd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=args.timeout)
        return r.returncode, r.stdout
    except subprocess.TimeoutExpired as e:
        out = e.stdout or b''
        return 124, (out if isinstance(out, str) else out.decode(errors='replace')) + f'\nstopped after {args.timeout} s'


def launch(path, args, env, server):
    "Run one notebook and measure its time"
    t = time.time()
    code, out = (in_interpreter if args.fresh else in_fork)(path, args, env, server)
    return path, code, out, time.time()-t


def forkserver(env):
    "The context whose processes are forked from one that has imported the libraries in `preload.py`"
    from multiprocessing.forkserver import ensure_running
    os.environ.update(env)
    server = multiprocessing.get_context('forkserver')
    server.set_forkserver_preload(['preload'])
    # Python 3.11 does not pass sys.path to the server and is silent about a module that it does not find
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT/'tools'), env['PYTHONPATH']])
    ensure_running()
    os.environ['PYTHONPATH'] = env['PYTHONPATH']
    return server


def main():
    p = argparse.ArgumentParser(description='Run the notebooks as tests')
    p.add_argument('paths', nargs='*', help='notebooks or folders; default: all')
    p.add_argument('--flags', default='', help='flags of cells to run too, such as "slow data"')
    p.add_argument('--workers', type=int, default=min(2, os.cpu_count() or 1), help='notebooks at a time (default %(default)s)')
    p.add_argument('--timeout', type=float, default=1200, help='seconds for one notebook (default %(default)s)')
    p.add_argument('--fresh', action='store_true', help='a new interpreter for each notebook')
    p.add_argument('--one', help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.one: return one(Path(args.one), args.flags.split())

    files, start = notebooks(args.paths), time.time()
    workers = max(1, min(args.workers, len(files)))
    env = {'OMP_NUM_THREADS': str(max(1, (os.cpu_count() or 1)//workers)), 'MPLBACKEND': 'agg', **os.environ}
    env['PYTHONPATH'] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    compileall.compile_dir(ROOT/'kfr_nb', quiet=1)                 # once, even where Python is told to write no bytecode
    server = None if args.fresh else forkserver(env)
    passed, failed, idle = [], [], []
    with ThreadPoolExecutor(workers) as pool:
        for done in as_completed([pool.submit(launch, f, args, env, server) for f in longest_first(files)]):
            path, code, out, took = done.result()
            name, note = path.relative_to(ROOT), out.splitlines()[0] if out else 'did not start'
            (passed if code == 0 else idle if code == 3 else failed).append(name)
            word = {0: 'passed', 3: 'no cell ran'}.get(code, 'FAILED')
            print(f'{word:8} {str(name):50} {took:6.1f} s  {note}', flush=True)
            if code not in (0, 3): print(out.partition('\n')[2], f'exit status {code}', sep='\n', flush=True)
    for name in sorted(failed): print(f'failed: {name}')
    if not files: print('run_tests: no notebook found, which counts as a failure', file=sys.stderr)
    print(f'{len(files)} notebooks in {time.time()-start:.0f} s, {workers} at a time')
    print(f'{len(passed)} passed, {len(failed) + (not files)} failed' + (f', {len(idle)} skipped' if idle else ''))
    return 1 if failed or not passed else 0


if __name__ == '__main__': sys.exit(main())
