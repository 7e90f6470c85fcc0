"""The last block of a network is fine-tuned on birds: do the losses move what it looks at, where its maps beat a box in the middle?

    python tools/tuned_maps.py --data DIR            about 50 minutes on two cores
    python tools/tuned_maps.py --data DIR --publish  write the tables to nbs/studies/_results as well

An EfficientNet-Lite0 at 320 pixels, as in `frozen_maps.py`, but its last block and what follows are trained together with
the head (`tune_from='blocks.6'`). Images pass the layers in front once; their outputs are stored.

1. Search. Three learning rates for cross-entropy, one seed, judged on validation images.
2. Test. Three other seeds at the most accurate rate. Cross-entropy for 80 % of the epochs, then each loss, at a low rate.
   The weights of the losses are those of `frozen_maps.py`; α = 10 and 30 are in a sweep.

An interrupted run resumes with the same command.
"""
import pandas as pd, torch
from joblib import Parallel, delayed
from kfr_nb.boxes import picture_sizes, view_boxes
from kfr_nb.core import read_json, write_json
from kfr_nb.models import build_network, on_features
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig
from kfr_nb.study.publish import publish, write_table
from kfr_nb.train import TrainConfig, feature_bank, load_run, open_data
from every_rival import complete
from frozen_maps import JUDGED, ROOT, SIZE, TESTED, networks_of, options, scores_of

NAME = 'cub200_tuned_maps'
ARMS = ('ce', 'kfr', 'kfr_shuffled', 'kfr_as_published')          # the last draws its pairs from all images, and takes four times as long
RATES = (3e-4, 1e-3, 3e-3)


def base_of(data):
    "What all runs share"
    return TrainConfig.of(dataset='cub200', data=data, method='ce', image_size=SIZE, model='timm:tf_efficientnet_lite0', pretrained=True,
        frozen=True, tune_from='blocks.6', train_per_class=15, test_limit=TESTED, valid_fraction=0.2, augment='none', embedding_dim=512,
        dropout=0.5, epochs=10, batch_size=64, eval_every=10, tree_name='cub200', save_seconds=60.)


def rate_search(name, base, rates):
    "Learning rates of cross-entropy, judged on validation images"
    variants = {f'ce_rate_{rate:g}'.replace('.', '_').replace('-', 'm'): dict(method='ce', lr=rate, lr_end=rate/10) for rate in rates}
    return StudyConfig(f'{name}_search', base.changed(judged_on='valid'), tuple(variants), seeds=(100,), sweep=None,
        baseline=next(iter(variants)), variants=variants)


def best_rate(config, out, jobs, command):
    "The search, and the rate that is most accurate"
    found = complete(run_study(config, out, jobs, command=command))
    rate = float(found.runs.loc[found.runs['top1'].idxmax(), 'cfg_lr'])
    print(found.runs[['label', 'top1']].to_string(), f'\nlearning rate: {rate:g}')
    return found, rate


def test_study(data, rate):
    "The losses on test images"
    return StudyConfig(NAME, base_of(data).changed(lr=rate, lr_end=rate/10), ARMS, seeds=(0, 1, 2), sweep=('kfr',), values=(10., 30.),
        weights=dict(kfr=3., kfr_as_published=10.))


@torch.no_grad()
def stored_inputs(config):
    "Test images, and the stored inputs of the first tuned layer, (N, c, h, w)"
    data = open_data(config)
    bank = feature_bank(config, build_network(config.model, data.num_classes))
    return data.test, bank.features(data.test, 'none')[:, 0]


def judge(row, out, base):
    "Scores of the maps of one run, kept in its folder"
    file = out/'runs'/row['key']/'maps_gradcam.json'
    if not file.exists():
        torch.set_num_threads(1)
        network = on_features(load_run(out/'runs'/row['key']).model).eval()
        images, stored = stored_inputs(base)
        boxes = view_boxes(images.boxes, picture_sizes(images.files), JUDGED)
        write_json(file, scores_of(network, stored.numpy(), images, boxes))
    return row | dict(given='label') | read_json(file)


def main():
    args = options(__doc__, NAME)
    command = 'python tools/tuned_maps.py --data DIR'
    found, rate = best_rate(rate_search(NAME, base_of(args.data), RATES), args.out/'search', args.jobs, command)
    config = test_study(args.data, rate)
    study = complete(run_study(config, args.out/'test', args.jobs, command=command))
    rows = networks_of(study)
    table = pd.DataFrame(Parallel(args.jobs, verbose=1)(delayed(judge)(row, study.out, config.base) for row in rows))
    write_table(study.out/'localization.csv', table)
    shown = ['top1', 'box_accuracy', 'max_box_acc_v2', 'pointing', 'centre_box_accuracy', 'centre_max_box_acc_v2']
    print((100*table.groupby(['part', 'label', 'alpha'], sort=False)[shown].mean()).round(1).to_string())
    if args.publish:
        results = ROOT/'nbs'/'studies'/'_results'
        for s in (found, study): publish(s.out, s.config.name, results, history=False)
        write_table(results/f'{NAME}_localization.csv', table)


if __name__ == '__main__': main()
