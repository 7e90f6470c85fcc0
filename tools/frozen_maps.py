"""Does knowledge about classes move what a network looks at? Activation maps of birds, where the maps beat a box in the middle.

    python tools/frozen_maps.py --data DIR            about 20 minutes on two cores
    python tools/frozen_maps.py --data DIR --publish  write the tables to nbs/studies/_results as well

An EfficientNet-Lite0 at 320 pixels has maps of ten by ten cells. Its backbone is frozen, so each image passes it once for all
runs. What is trained is an embedding and a classifier, on 15 images of each of the 200 classes. The maps depend on both:
they weight the channels of the last layer by the gradient of the true class. The weights of the losses are those that
`python tools/every_rival.py 100` chose on validation images of CIFAR-100; α = 10 and 30 are in a sweep.

An interrupted run resumes with the same command.
"""
import argparse, shutil
from pathlib import Path
import numpy as np, pandas as pd, torch
from joblib import Parallel, delayed
from torch import nn
from kfr_nb.boxes import picture_sizes, view_boxes
from kfr_nb.core import atomic_path, read_json, write_json
from kfr_nb.data import make_feed
from kfr_nb.localization import activation_maps, localization_scores
from kfr_nb.models import build_network
from kfr_nb.study.make import run_study
from kfr_nb.study.presets import StudyConfig
from kfr_nb.study.publish import publish
from kfr_nb.train import TrainConfig, load_run, open_data
from every_rival import complete

ROOT = Path(__file__).resolve().parent.parent
NAME, SIZE, TESTED = 'cub200_frozen_maps', 320, 1000
JUDGED = 160                                   # pixels at which maps and boxes are compared; the files have 128 on their shorter side
METHODS = ('kfr', 'kfr_free', 'kfr_plus', 'kfr_as_published')
KINDS = {'gradcam': None, 'gradcam++': ('ce', 'kfr', 'kfr_plus'), 'layercam': ('ce', 'kfr', 'kfr_plus')}      # of which arms
TOLD = ['part', 'arm', 'label', 'alpha', 'seed', 'key']


def study_of(data):
    "Heads on frozen features of birds"
    base = TrainConfig.of(dataset='cub200', data=data, method='ce', image_size=SIZE, model='timm:tf_efficientnet_lite0', pretrained=True,
        frozen=True, train_per_class=15, test_limit=TESTED, augment='none', embedding_dim=512, dropout=0.5, epochs=20, batch_size=128,
        lr=0.002, eval_every=20, tree_name='cub200', save_seconds=60.)
    arms = ('ce', *(name for m in METHODS for name in (m, f'{m}_shuffled')))
    return StudyConfig(NAME, base, arms, seeds=(0, 1, 2), sweep=('kfr',), values=(10., 30.),
        weights=dict(kfr=3., kfr_free=30., kfr_plus=30., kfr_as_published=10.))


class Behind(nn.Module):
    "What stands behind the feature maps of a network"
    def __init__(self, network):
        super().__init__()
        self.maps, self.network = nn.Identity(), network

    def forward(self, maps):
        n = self.network
        return n.classify(n.embedding(n.hidden(self.maps(maps).mean((2, 3)))))


@torch.no_grad()
def keep_maps(config, file):
    "The feature maps of the test images, (N, c, h, w), from one pass through the backbone"
    if file.exists(): return
    data = open_data(config)
    network = build_network(config.model, data.num_classes).eval().to(memory_format=torch.channels_last)
    feed = make_feed(data.test, 32, SIZE, train=False, augment='none', device='cpu', mean=network.mean, std=network.std)
    found = []
    for batch in feed.epoch(0):
        maps, pooled = network.backbone(batch.x)
        torch.testing.assert_close(maps.mean((2, 3)), pooled, rtol=1e-3, atol=1e-4)      # what `Behind` relies on
        found.append(maps.half().numpy())
    with atomic_path(file) as part, open(part, 'wb') as f: np.save(f, np.concatenate(found))


def judge(row, out, kind, images, boxes):
    "Scores of the maps of one run, kept in its folder"
    file = out/'runs'/row['key']/f'maps_{kind}.json'
    if not file.exists():
        torch.set_num_threads(1)
        head = Behind(load_run(out/'runs'/row['key']).model).eval()
        write_json(file, scores_of(head, np.load(out/'maps.npy', mmap_mode='r'), images, boxes, kind, head.maps))
    return row | dict(method=kind, given='label') | read_json(file)


def options(told, name):
    "The command line of a tool that judges maps"
    p = argparse.ArgumentParser(description=told.splitlines()[0])
    p.add_argument('--data', help='folder of the images; $KFR_DATA or ./data by default')
    p.add_argument('--out', type=Path, default=Path('results')/name)
    p.add_argument('--jobs', type=int, default=2)
    p.add_argument('--publish', action='store_true', help='write the tables to nbs/studies/_results')
    return p.parse_args()


def networks_of(study):
    "The networks of a study and of its sweep, each once"
    runs = pd.concat([pd.read_csv(study.out/f'{f}.csv').assign(part=part) for part, f in (('arms', 'runs'), ('sweep', 'sweep'))])
    return runs.query('status=="done"').drop_duplicates('key')[TOLD].to_dict('records')


def scores_of(network, inputs, images, boxes, kind='gradcam', layer=None):
    "Scores of the maps of the true classes, from stored inputs of a network"
    parts = [activation_maps(network, torch.from_numpy(np.float32(inputs[i:i+100])), images.labels[i:i+100], kind, layer=layer)
        for i in range(0, len(inputs), 100)]
    right = torch.cat([p.logits for p in parts]).argmax(1) == images.labels
    return localization_scores(torch.cat([p.maps for p in parts]), boxes, right, size=JUDGED)


def main():
    args = options(__doc__, NAME)
    config = study_of(args.data)
    study = complete(run_study(config, args.out, args.jobs, command='python tools/frozen_maps.py --data DIR'))
    keep_maps(config.base, study.out/'maps.npy')
    images = open_data(config.base).test
    boxes = view_boxes(images.boxes, picture_sizes(images.files), JUDGED)
    rows = networks_of(study)
    wanted = [(row, kind) for kind, arms in KINDS.items() for row in rows if arms is None or row['part'] == 'arms' and row['arm'] in arms]
    table = pd.DataFrame(Parallel(args.jobs, verbose=1)(delayed(judge)(row, study.out, kind, images, boxes) for row, kind in wanted))
    parts = dict(localization=table[table['method']=='gradcam'], methods=table)
    for name, rows in parts.items():
        with atomic_path(study.out/f'{name}.csv') as part: rows.to_csv(part, index=False)
    shown = ['top1', 'box_accuracy', 'max_box_acc_v2', 'pointing', 'centre_box_accuracy', 'centre_max_box_acc_v2']
    print((100*table.groupby(['method', 'part', 'label', 'alpha'])[shown].mean()).round(1).to_string())
    if args.publish:
        results = ROOT/'nbs'/'studies'/'_results'
        publish(study.out, NAME, results, history=False)
        for name in parts: shutil.copyfile(study.out/f'{name}.csv', results/f'{NAME}_{name}.csv')


if __name__ == '__main__': main()
