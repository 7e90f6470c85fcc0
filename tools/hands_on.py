"""Writes what nbs/tutorials/06_hands_on.ipynb shows: small results of networks on the built-in images, trained by the settings of three studies.

    python tools/hands_on.py                 trains what is not in runs/hands_on yet (a quarter of an hour on one core), then writes
    python tools/hands_on.py --runs DIR      run folders elsewhere, named by the keys of their settings, as `kfr study` names them
    python tools/hands_on.py --to DIR        write there instead of nbs/studies/_results
"""
import argparse
from pathlib import Path
import numpy as np, torch
from kfr_nb.core import atomic_path, environment, read_json, write_json
from kfr_nb.runs import localize_run
from kfr_nb.study import recorded_config
from kfr_nb.train import embed_run, fit, open_data, true_tree
from kfr_nb.viz.atlas import map_quality, umap_points
from kfr_nb.viz.confusion import confusion_counts
from kfr_nb.viz.widgets import threshold_curve

RESULTS = Path(__file__).resolve().parent.parent/'nbs'/'studies'/'_results'
ALPHAS, NOISES, SHOWN = (0., 1., 3., 10., 30.), (0., .3, .6), 360
ARMS, METHODS = dict(ce=0., kfr=1., kfr_free=10.), ('gradcam', 'gradcam++', 'layercam', 'eigencam')


def settings(record, **changes):
    "The settings of a study, some of them changed"
    return recorded_config(read_json(RESULTS/record)['study']['base'], **changes)


def trained(config, runs, part='', **options):
    "The run with these settings, trained unless it has been"
    return fit(config, runs/(config.key()+part), **options)


def turned(points, to):
    "A map turned and mirrored, not stretched, so that it lies on another as well as it can"
    u, _, v = torch.linalg.svd(points.T@to)
    return points@u@v


def sweep_results(runs):
    "Seed 0 of the sweep over α: a map of test images by UMAP, and the confusions of classes"
    maps, counts, quality, keys = [], [], [], []
    for alpha in ALPHAS:
        config = settings('shapes_quick_study.json', seed=0, **(dict(method='kfr', alpha=alpha) if alpha else dict(method='ce')))
        run = trained(config, runs)
        p, D = embed_run(run), true_tree(config, open_data(config)).distances()
        z, y = p['z'][:2*SHOWN], p['y'][:2*SHOWN]
        m = umap_points(z, seed=0)
        quality.append(map_quality(z, m, y, D))
        m = ((m-m.mean(0))/m.std())[:SHOWN]
        maps.append(turned(m, maps[-1]) if maps else m)
        counts.append(confusion_counts(p['logits'].argmax(1), p['y'], len(D)))
        keys.append(run.record['key'])
    arrays = dict(alpha=np.array(ALPHAS), alpha_labels=p['y'][:SHOWN].numpy().astype(np.int16),
        alpha_maps=torch.stack(maps).half().numpy(), alpha_counts=torch.stack(counts).numpy().astype(np.int16))
    return arrays, dict(keys=keys, quality=quality)


def margins_seen(config, runs):
    "A run of MS*, and its margins at the start of each epoch"
    kinds = ('positive', 'negative', 'sample')
    seen = {k: [] for k in kinds}
    def look(task, progress):
        if progress.step != 1: return                          # margins are renewed before the first step, and stay for the epoch
        for k in kinds: seen[k].append(getattr(task.state.margins, k).cpu().half().numpy())
    run = trained(config, runs, '-margins', on_step=look)
    if len(seen['sample']) != config.optimisation.epochs:
        raise SystemExit(f'{run.path} was trained before, unseen: its margins were not kept. Remove it, and start again')
    return run, {k: np.stack(v) for k, v in seen.items()}


def margin_results(runs):
    "MS*, seed 0, at three rates of label noise: its margins at the start of each epoch"
    found, keys = [], []
    for noise in NOISES:
        config = settings('shapes_ahsml_study.json', method='ms_star', noise=noise, seed=0)
        run, seen = margins_seen(config, runs)
        found.append(seen)
        keys.append(run.record['key'])
    arrays = {f'margin_{k}': np.stack([seen[k] for seen in found]) for k in found[0]}
    record = dict(keys=keys, classes=run.record['classes'], gamma=config.method.gamma)
    return dict(noise=np.array(NOISES)) | arrays, record


def cam_results(runs):
    "Seed 0 of the study of localisation: what four methods say the networks looked at"
    out, keys = {}, []
    for arm, alpha in ARMS.items():
        config = settings('shapes_localization.json', seed=0, **(dict(method=arm, alpha=alpha) if alpha else dict(method=arm)))
        run = trained(config, runs)
        keys.append(run.record['key'])
        for method in METHODS:
            found = localize_run(run, method=method)
            peak = found.maps.amax((1, 2))
            unit = (found.maps/peak.where(peak > 0, 1.)[:, None, None]).half()
            taus, accuracy = threshold_curve(unit, found.boxes, found.side)
            out |= {f'cam_{arm}_{method}': unit.numpy(), f'curve_{arm}_{method}': accuracy.half().numpy()}
        out[f'seen_{arm}'] = found.predicted.numpy().astype(np.int16)
    out |= dict(cam_labels=found.set.labels.numpy().astype(np.int16), curve_taus=taus.numpy())
    return out, dict(keys=keys, arms=list(ARMS), methods=list(METHODS))


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--runs', type=Path, default=Path('runs/hands_on'))
    p.add_argument('--to', type=Path, default=RESULTS)
    args = p.parse_args()
    arrays, record = {}, {}
    for name, make in (('cams', cam_results), ('margins', margin_results), ('sweep', sweep_results)):
        got, record[name] = make(args.runs)
        arrays |= got
        print(f'{name}: {", ".join(record[name]["keys"])}', flush=True)
    kept = args.to/'shapes_hands_on.npz'
    with atomic_path(kept) as tmp, open(tmp, 'wb') as f: np.savez_compressed(f, **arrays)
    write_json(args.to/'shapes_hands_on.json', record | dict(environment=environment()))
    print(f'{kept}: {kept.stat().st_size/1e3:.0f} kB')


if __name__ == '__main__': main()
