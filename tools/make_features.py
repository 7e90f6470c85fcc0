"""Make `kfr_nb/data/cifar100-features.npz`: frozen features of real CIFAR-100 images, reduced and quantised.

    python tools/make_features.py DATA      DATA holds CIFAR-100, as `kfr data get cifar100` puts it there
    python tools/make_features.py DATA --dataset cub200 --all --out cub200-features.npz

The second command makes features of another data set, of all its images; `--dataset npz:cub200-features.npz` reads them.

The backbone is EfficientNet-Lite0 with ImageNet weights, on images enlarged to 128 pixels. Its 1,280 features are
rotated by the principal components of the training images, the first ones are kept, and all are rounded to multiples of one
step: components of little variance then cost few bits. Of each class there are 100 training and 50 test images.
"""
import argparse
from pathlib import Path
import numpy as np
import torch
from kfr_nb.data import load_dataset
from kfr_nb.data.splits import limit_images
from kfr_nb.features import FeatureBank
from kfr_nb.models import build_model

OUT = Path(__file__).resolve().parents[1]/'kfr_nb'/'data'/'cifar100-features.npz'
TRAIN, TEST, WIDTH, STEP = 100, 50, 96, 0.4


def principal_axes(x:np.ndarray, width:int)->tuple[np.ndarray,np.ndarray]:
    "Mean (c,) and the first principal axes (c, width), each with its largest entry positive"
    mean = x.mean(0)
    _,axes = np.linalg.eigh(np.cov((x-mean).T))
    axes = axes[:,::-1][:,:width]
    return mean, axes*np.sign(axes[np.abs(axes).argmax(0), np.arange(width)])


def quantised(x:np.ndarray, step:float)->np.ndarray:
    "Multiples of a step, int8"
    q = np.rint(x/step)
    return q.clip(-127, 127).astype(np.int8)


def main()->None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', help='folder that holds CIFAR-100')
    parser.add_argument('--out', type=Path, default=OUT)
    parser.add_argument('--dataset', default='cifar100', help='a data set by name')
    parser.add_argument('--precision', default='bf16', choices=('bf16','no'), help='of the backbone; without bf16 units no is faster')
    parser.add_argument('--all', action='store_true', help='all images, not 100 and 50 of each class')
    args = parser.parse_args()
    data = load_dataset(args.dataset, args.data)
    most = dict(train=None, test=None) if args.all else dict(train=TRAIN, test=TEST)
    parts = {k: limit_images(data.parts[k], n, None, 0) for k,n in most.items()}
    model = build_model('timm:tf_efficientnet_lite0', data.num_classes, pretrained=True)
    bank = FeatureBank(model, 128, views=1, precision=args.precision, progress=True)
    found = {k: bank.features(s, 'none')[:,0].double().numpy() for k,s in parts.items()}
    mean,axes = principal_axes(found['train'], WIDTH)
    unit = ((found['train']-mean)@axes).std()              # so that a step is a share of the spread
    arrays = {f'x_{k}': quantised((x-mean)@axes/unit, STEP) for k,x in found.items()}
    labels = {f'y_{k}': s.labels.numpy().astype(np.uint8) for k,s in parts.items()}
    extra = dict(step=np.float32(STEP))
    if args.dataset != 'cifar100':                         # `npz:FILE` reads floats
        arrays,extra = {k: (x*np.float32(STEP)).astype(np.float16) for k,x in arrays.items()},{}
    np.savez_compressed(args.out, **arrays, **labels, classes=np.array(data.classes), **extra)
    print(f'{args.out}: {args.out.stat().st_size/1e3:.0f} kB')


if __name__ == '__main__': main()
