"""Make the stored figures of executed notebooks smaller: 256 colours for PNG, also inside SVG, and SVG as one string.

    python tools/compact.py nbs/studies/40_gradcam_gallery.ipynb ...
"""
import base64, io, json, re, sys
from pathlib import Path
from PIL import Image


def smaller(raw):
    "A PNG with a palette of 256 colours, or the same bytes where that saves nothing"
    image, out = Image.open(io.BytesIO(raw)), io.BytesIO()
    clear = image.mode == 'RGBA' and image.getextrema()[3] != (255, 255)
    method = Image.Quantize.FASTOCTREE if clear else Image.Quantize.MEDIANCUT
    (image if clear else image.convert('RGB')).quantize(256, method=method, dither=Image.Dither.NONE).save(out, 'PNG', optimize=True)
    return min(out.getvalue(), raw, key=len)


def encoded(text): return base64.b64encode(smaller(base64.b64decode(text))).decode()


def compact(data):
    "The figures among the data of an output"
    if 'image/png' in data: data['image/png'] = encoded(''.join(data['image/png']))
    if 'image/svg+xml' in data:
        data['image/svg+xml'] = re.sub(r'(?<=data:image/png;base64,)[A-Za-z0-9+/=\s]+', lambda m: encoded(m[0]), ''.join(data['image/svg+xml']))


def main():
    for file in map(Path, sys.argv[1:]):
        notebook, before = json.loads(file.read_text(encoding='utf-8')), file.stat().st_size
        for cell in notebook['cells']:
            for output in cell.get('outputs', []): compact(output.get('data', {}))
        file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False)+'\n', encoding='utf-8')
        print(f'{file}: {before/1e3:.0f} -> {file.stat().st_size/1e3:.0f} kB')


if __name__ == '__main__': main()
