"""Retrieval by the features of pretrained nets before any training: what a metric-learning study on real pictures starts from.

    python tools/untrained.py               for each study nbs/studies/_results/*_ahsml*_study.json that began with pretrained weights
    python tools/untrained.py --data DIR    data sets elsewhere than $KFR_DATA

Writes nbs/studies/_results/ahsml_untrained.csv: the pooled features as they are (`none`), and a linear layer that nothing was taught (`random`, three seeds).
"""
import argparse
from dataclasses import replace
from pathlib import Path
import pandas as pd, torch
from kfr_nb.core import atomic_path, read_json
from kfr_nb.train import build_net, config_from_dict, feature_bank, open_data, retrieval_metrics

RESULTS = Path(__file__).resolve().parent.parent/'nbs'/'studies'/'_results'
KEPT = ('recall@1', 'recall@2', 'recall@4', 'recall@8', 'map_r', 'latent_distance')


def settings():
    "One configuration for each set of test pictures that the studies judge by"
    seen = {}
    for f in sorted(RESULTS.glob('*_ahsml*_study.json')):
        c = config_from_dict(read_json(f)['study']['base'])
        if c.pretrained: seen.setdefault((c.dataset, c.image_size, c.model), (replace(c, frozen=True, method='ms'), c.embedding_dim or 128))
    return list(seen.values())


@torch.no_grad()
def rows(c, width):
    data = open_data(c); net = build_net(c, data.num_classes); z = feature_bank(c, net).features(data.test, 'plain')[:, 0].float()
    def row(z, head, seed):
        m = retrieval_metrics(dict(z=z, y=data.test.labels))
        return dict(dataset=c.dataset, image_size=c.image_size, model=c.model, embedding_dim=z.shape[1], head=head,
            seed=seed, **{k: m[k] for k in KEPT})
    yield row(z, 'none', 0)
    for seed in range(3):
        torch.manual_seed(seed)
        yield row(torch.nn.Linear(z.shape[1], width)(z), 'random', seed)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0]); p.add_argument('--data'); a = p.parse_args()
    found = [r for c, width in settings() for r in rows(replace(c, data=a.data) if a.data else c, width)]
    with atomic_path(RESULTS/'ahsml_untrained.csv') as part:
        pd.DataFrame(found).to_csv(part, index=False)
    print(pd.DataFrame(found).groupby(['dataset', 'image_size', 'head'])['recall@1'].agg(['mean', 'count']).round(4).to_string())


if __name__ == '__main__': main()
