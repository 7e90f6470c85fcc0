"""Mini-ImageNet with the last two stages of a network fine-tuned: do the losses help where features are not frozen?

    python tools/tuned_blocks.py --data DIR            about an hour on two cores
    python tools/tuned_blocks.py --data DIR --publish  write the tables to nbs/studies/_results as well

An EfficientNet-Lite0 with ImageNet weights, on 20 images per class, enlarged from 84 to 128 pixels. All layers from
`blocks.5` on are trained together with the head; they hold 79 % of the backbone's weights. Images pass the layers in front
once; their outputs are stored.

1. Search. Three learning rates for cross-entropy, one seed, judged on validation images.
2. Test. Three other seeds at the most accurate rate. Cross-entropy for nine of 15 epochs, then each loss, at a low rate. The
   weights of KFR are those that `tools/every_rival.py` chose on frozen features of the same images, the weight of the triplets
   is that of `tools/table_two.py`. `probe` is a linear layer on the frozen features.

An interrupted run resumes with the same command.
"""
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig
from kfr_nb.study.publish import publish
from kfr_nb.train import TrainConfig
from every_rival import complete
from frozen_maps import ROOT, options
from tuned_maps import best_rate, rate_search

NAME = 'mini_imagenet_tuned'
RATES = (1e-4, 3e-4, 1e-3)
LATE = 0.6                                     # of the epochs with cross-entropy alone
LOSSES = {'kfr_free': 10., 'kfr_plus': 30., 'triplet_l2': 3., 'triplet_l2_kfr': 10.}        # weights
VARIANTS = {f'{m}_late': dict(method=m, alpha=alpha, phase1=LATE, label='after convergence') for m, alpha in LOSSES.items()}
TREE = ('kfr_free', 'kfr_plus', 'triplet_l2_kfr')
ARMS = ('ce', 'probe', *(f'{m}_late' for m in LOSSES), *(f'{m}_late_shuffled' for m in TREE))


def base_of(data):
    "What all runs share"
    return TrainConfig.of(dataset='mini-imagenet', data=data, method='ce', image_size=128, model='timm:tf_efficientnet_lite0',
        pretrained=True, frozen=True, tune_from='blocks.5', train_per_class=20, valid_fraction=0.2, augment='none', embedding_dim=512,
        dropout=0.5, epochs=15, settle=LATE, batch_size=64, eval_every=15, save_seconds=60.)


def test_study(data, rate):
    "The losses on test images"
    return StudyConfig(NAME, base_of(data).changed(lr=rate, lr_end=rate/10), ARMS, seeds=(0, 1, 2), sweep=None, variants=VARIANTS)


def main():
    args = options(__doc__, NAME)
    command = 'python tools/tuned_blocks.py --data DIR'
    found, rate = best_rate(rate_search(NAME, base_of(args.data), RATES), args.out/'search', args.jobs, command)
    study = complete(run_study(test_study(args.data, rate), args.out/'test', args.jobs, command=command))
    print(study.report)
    if args.publish:
        results = ROOT/'nbs'/'studies'/'_results'
        for s in (found, study): publish(s.out, s.config.name, results, history=False)


if __name__ == '__main__': main()
