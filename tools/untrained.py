"""Retrieval by the features of pretrained networks before any training: what a metric-learning study on real images starts from.

    python tools/untrained.py               for each retrieval study in nbs/studies/_results that began with pretrained weights
    python tools/untrained.py --data DIR    data sets elsewhere than $KFR_DATA

Writes nbs/studies/_results/ahsml_untrained.csv: the pooled features as they are (`none`), and a linear layer that nothing was taught (`random`, three seeds).
"""
import argparse
from pathlib import Path
import pandas as pd, torch
from kfr_nb.core import atomic_path, read_json
from kfr_nb.models import build_network
from kfr_nb.study import recorded_config
from kfr_nb.train import feature_bank, open_data, retrieval_metrics
from kfr_nb.train.task import judging_relations

RESULTS = Path(__file__).resolve().parent.parent/'nbs'/'studies'/'_results'
KEPT = ('recall@1', 'recall@2', 'recall@4', 'recall@8', 'map_r', 'mahp', 'tree_correlation', 'latent_distance')


def settings():
    "One configuration for each set of test images that the studies judge by, with a tree if a study has one, and the width of its embeddings"
    seen = {}
    for f in sorted(RESULTS.glob('*_study.json')):
        base = read_json(f)['study']['base']
        if not base['pretrained'] or base.get('protocol') != 'retrieval' or base.get('judged_on') == 'valid': continue
        config = recorded_config(base, method='ms', frozen=True)
        judged = (config.data.dataset, config.data.image_size, config.model.model)
        if judged not in seen or (config.data.tree_name and not seen[judged][0].data.tree_name):
            seen[judged] = config, config.model.embedding_dim or 128
    return list(seen.values())


def row(config, z, y, head, seed, relations):
    "Retrieval metrics of embeddings (N, d), and those of their order in the tree"
    found = retrieval_metrics(dict(z=z, y=y), relations)
    return dict(dataset=config.data.dataset, image_size=config.data.image_size, model=config.model.model,
        embedding_dim=z.shape[1], head=head, seed=seed, **{k: found.get(k) for k in KEPT})


@torch.no_grad()
def rows(config, width):
    "The features as they are, and behind a random linear layer"
    data = open_data(config)
    network = build_network(config.model, data.num_classes)
    z, y = feature_bank(config, network).features(data.test, 'plain')[:, 0].float(), data.test.labels
    relations = judging_relations(config, data)
    yield row(config, z, y, 'none', 0, relations)
    for seed in range(3):
        torch.manual_seed(seed)
        yield row(config, torch.nn.Linear(z.shape[1], width)(z), y, 'random', seed, relations)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--data')
    args = p.parse_args()
    found = []
    for config, width in settings(): found += rows(config.changed(data=args.data) if args.data else config, width)
    table = pd.DataFrame(found)
    with atomic_path(RESULTS/'ahsml_untrained.csv') as part: table.to_csv(part, index=False)
    print(table.groupby(['dataset', 'image_size', 'head'])['recall@1'].agg(['mean', 'count']).round(4).to_string())


if __name__ == '__main__': main()
