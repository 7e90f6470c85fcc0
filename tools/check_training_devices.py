"""Trains every method and its variants on the make-believe GPU, stopped after every step and resumed, against the CPU.

    python tools/check_training_devices.py              all of them
    python tools/check_training_devices.py --each       and the places where the host waits in a step
    python tools/check_training_devices.py --only kfr_plus means

First one step of each method is taken on both devices: the loss must agree, no two devices may meet, and the host must not
wait more often than BOUNDS allows (not at all, but for the losses that are another library's). Then runs are stopped by their limit of time
after each step (most of them have one step an epoch) and resumed from their own checkpoints until they end: the metrics must be those of the CPU.
Steps compare the CPU's own kernels of pairwise L1 with a device's; runs use a device's on both, since many steps amplify
a rounding in the last place.
"""
import argparse, contextlib, shutil, sys, tempfile, warnings
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
import torch
from torch.utils._pytree import tree_map

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]
from make_believe_gpu import DEVICE, Held, MakeBelieveGPU
import kfr_nb.l1 as l1
import kfr_nb.train.checkpoints as checkpoints
import kfr_nb.train.loop as loop
import kfr_nb.train.task as task_module
from kfr_nb.methods import METHODS
from kfr_nb.train import Paused, TrainConfig, fit, prepare, train_step

CPU = torch.device('cpu')
BASE = dict(dataset='shapes', image_size=24, train_per_class=4, test_limit=72, model='resnet10', batch_size=48, epochs=2,
    embedding_dim=16)
LIBRARYS = ('proxy_nca', 'soft_triple', 'circle', 'proxy_anchor', 'subcenter_arcface')    # pytorch-metric-learning waits by itself
FILTERS = {f'{method}, {name}': dict(method=method, filter=name, noise=0.3, filter_after=0)
    for method in ('ms', 'triplet_star') for name in ('oracle', 'prism', 'suspicion', 'procsim')}
STEPPING = [name for name, method in METHODS.items() if not method().at_once]          # the others take no steps
STEPS = {name: dict(method=name) for name in STEPPING} | FILTERS
BOUNDS = {name: 0 for name in STEPS if name not in LIBRARYS}
RUNS = {
    'means': dict(method='kfr_free', partner_source='means'), 'weights': dict(method='kfr_free', partner_source='weights'),
    'weights_only': dict(method='kfr_free', partner_source='weights_only'), 'dataset': dict(method='kfr', partner_source='dataset'),
    'logits': dict(method='kfr_free', acts_on='logits'), 'pooled': dict(method='kfr_free', acts_on='pooled'),
    'layers': dict(method='kfr_free', acts_on='layers'), 'projection': dict(method='kfr_free', projection=8),
    'random means, projection': dict(method='kfr', partner_source='means', projection=8),
    'normalised over the batch': dict(method='kfr_free', normalize='batch'), 'by feature': dict(method='kfr_all', normalize='feature'),
    'squared': dict(method='kfr_all', ell=2.), 'anchors detached': dict(method='kfr_all', detach='anchor'),
    'partners detached': dict(method='kfr', detach='partners'), 'precision': dict(method='kfr_free', distance='precision'),
    'flat tree': dict(method='kfr_free', tree='flat'), 'shuffled tree': dict(method='kfr_plus', tree='shuffled'),
    'warm-up': dict(method='kfr_free', warmup=0.5), 'running margins': dict(method='ms_star', margins='running'),
    'margins from the tree': dict(method='ms_star', margins='tree'), 'all views as anchors': dict(method='ms_star', anchors='all'),
    'greatest sample margin': dict(method='lifted_star', sample_margin='max'), 'divergence alone': dict(method='ms_star', consistency=False),
    'consistency alone': dict(method='ms_star', divergence=False), 'l2': dict(method='ms_star', similarity='l2'),
    'Poincaré': dict(method='ms_star', similarity='poincare'), 'folded': dict(method='ms_star', similarity='poincare_exp', expmap='folded'),
    'Poincaré, running': dict(method='ms_star', similarity='poincare_exp', margins='running'), 'both papers': dict(method='ms_star_kfr'),
    'SAM': dict(method='kfr_free', sam=0.05), 'SAM, two views': dict(method='infonce', sam=0.05), 'clipped': dict(method='kfr_free', grad_clip=1.),
    'SGD': dict(method='ce', optimizer='sgd'), 'loader': dict(method='kfr_free', feed='loader'), 'loader, views': dict(method='ms_star', feed='loader'),
    'label noise': dict(method='ms', noise=0.3), 'validation': dict(method='kfr_plus', valid_fraction=0.25), 'dropout': dict(method='kfr_free', dropout=0.3),
    'hidden layer': dict(method='kfr_free', hidden=12), 'strong views': dict(method='kfr_free', augment='strong'),
    'proxies': dict(method='proxy_anchor'), 'late foreground': dict(method='c2am', phase1=0.5), 'retrieval': dict(method='ce', protocol='retrieval'),
    'not channels last': dict(method='kfr_free', channels_last=False),
    'fixed frame': dict(method='haframe', embedding_dim=48), 'nodes': dict(method='hier_cos'), 'path': dict(method='path_kl'),
    'prior': dict(method='tree_prior'), 'class means': dict(method='cpcc'), 'published': dict(method='kfr_as_published'),
    'ranking': dict(method='smooth_h_ap'),
    'noise along the tree': dict(method='ms', noise=0.3, noise_kind='tree'), 'behind PRISM': dict(method='ms_star', noise=0.3, filter='prism'),
    'behind suspicion': dict(method='lifted', noise=0.3, filter='suspicion')}

WITHIN_AN_EPOCH = ('validation', 'means', 'random means, projection', 'running margins', 'Poincaré, running', 'proxies', 'SAM', 'loader, views', 'behind PRISM')    # the others are stopped between epochs


def accelerator_on(device):
    "What the trainer asks of accelerate, on a device that accelerate does not know"
    def prepare(item): return item.to(device) if isinstance(item, torch.nn.Module) else item
    def clip(parameters, limit): return torch.nn.utils.clip_grad_norm_(list(parameters), limit)
    return SimpleNamespace(device=device, process_index=0, num_processes=1, is_main_process=True, scaler=None, prepare=prepare,
        autocast=contextlib.nullcontext, backward=lambda loss: loss.backward(), wait_for_everyone=lambda: None, clip_grad_norm_=clip)


def plain(value):
    "Tensors of the make-believe GPU as ordinary ones, for files"
    def one(v): return v.held.clone() if isinstance(v, Held) else v
    return tree_map(one, value, is_leaf=lambda v: isinstance(v, Held))


@contextlib.contextmanager
def training_on(device):
    "The trainer on a device"
    save_file, save, make_optimizer = checkpoints.save_file, torch.save, task_module.make_optimizer
    def same_kernels(config, network, state, given):
        if given != device: raise ValueError(f'the optimiser is made for {given}, and the run is on {device}')
        return make_optimizer(config, network, state, DEVICE)              # the kernels of the CPU round otherwise
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.object(task_module, 'make_accelerator', lambda config: accelerator_on(device)))
        stack.enter_context(patch.object(task_module, 'make_optimizer', same_kernels))
        if device != CPU:
            for module in (checkpoints, loop): stack.enter_context(patch.object(module, 'save_file', lambda d, f: save_file(plain(d), f)))
            stack.enter_context(patch.object(torch, 'save', lambda o, f, *a, **k: save(plain(o), f, *a, **k)))
        yield stack.enter_context(MakeBelieveGPU()) if device != CPU else None


def settings_of(changes):
    "A configuration in which the loss is there from the first step"
    named = TrainConfig.of(method=changes['method']).flat()
    return TrainConfig.of(**(BASE | (dict(phase1=0.) if 'phase1' in named else {}) | changes))


def one_step(name, device):
    "The loss of the second step, and the waits in it"
    with training_on(device) as gpu, tempfile.TemporaryDirectory() as folder:
        task = prepare(settings_of(dict(STEPS[name], embedding_dim=48)))
        loop.begin_epoch(task, 0, Path(folder))
        batches = iter(task.feeds.train.epoch(0))
        train_step(task, next(batches), 0, 0)
        batch = next(batches)
        if gpu: gpu.forget()
        loss = train_step(task, batch, 0, 1)['loss']
        waits = dict(gpu.waits) if gpu else {}
        return loss.item(), waits


@lru_cache
def devices_form(name):
    "Pairwise L1 as a device without kernels of its own computes it, for both: the CPU's faster forms round otherwise"
    def gradient(za, zb, weights, ell):
        others = za if zb is None else zb
        return l1._square_gradient(za, others, weights) if ell == 2 else l1._weighted_signs(za, others, weights, ell)
    return l1.L1Form(l1._block_distances, gradient)


def whole_run(config, device):
    "Metrics of a run that is stopped after every step and resumed"
    folder = Path(tempfile.mkdtemp())
    try:
        with training_on(device), patch.object(l1, 'l1_form', devices_form):
            for _ in range(100):
                try: return fit(config, folder, progress=False, minutes=1e-9).metrics
                except Paused: pass
        raise RuntimeError('the run did not end after 100 calls')
    finally: shutil.rmtree(folder, ignore_errors=True)


def check_steps(only, each):
    "One line for each fault of a method's step"
    for name in STEPS:
        if only and name not in only: continue
        try: (here, _), (there, waits) = one_step(name, CPU), one_step(name, DEVICE)
        except Exception as error: yield f'{name}: {type(error).__name__}: {str(error)[:300]}'; continue
        if abs(here-there) > 1e-4*abs(here): yield f'{name}: the loss is {there} on the device, {here} on the CPU'
        if each: print(f'{name}: loss {there:.4f}, {sum(waits.values())} waits {waits}')
        if sum(waits.values()) > BOUNDS.get(name, 1000): yield f'{name}: {sum(waits.values())} waits, at most {BOUNDS[name]}: {waits}'


def check_runs(only, each):
    "One line for each fault of a run that is stopped and resumed"
    for name, changes in RUNS.items():
        if only and name not in only: continue
        try:
            config = settings_of(changes).changed(train_per_class=3 if name in WITHIN_AN_EPOCH else 2)
            here, there = whole_run(config, CPU), whole_run(config, DEVICE)
        except Exception as error: yield f'{name}: {type(error).__name__}: {str(error)[:300]}'; continue
        differ = {k: (here[k], there.get(k)) for k in here if abs(here[k]-there.get(k, 9e9)) > 1e-4*max(1, abs(here[k]))}
        if differ: yield f'{name}: differs from the CPU in {differ}'
        if each: print(f'{name}: equal' if not differ else f'{name}: differs')


def self_test():
    "A step that reads a value back is found"
    step = loop.loss_terms
    def curious(task, out, epoch):
        terms = step(task, out, epoch)
        terms['loss'].item()
        return terms
    with patch.object(loop, 'loss_terms', curious): faults = list(check_steps(['ce'], False))
    assert len(faults) == 1 and '1 waits, at most 0' in faults[0], faults


def main():
    parser = argparse.ArgumentParser(description='Train on a make-believe GPU')
    parser.add_argument('--only', nargs='*', help='methods and runs')
    parser.add_argument('--each', action='store_true', help='a line for each')
    args = parser.parse_args()
    warnings.filterwarnings('ignore')
    torch.set_num_threads(1)
    if not args.only: self_test()
    faults = [*check_steps(args.only, args.each), *check_runs(args.only, args.each)]
    for fault in faults: print(fault)
    print(f'{len(STEPPING)} methods and {len(RUNS)} runs, {len(faults)} faults')
    return bool(faults)


if __name__ == '__main__': sys.exit(main())
