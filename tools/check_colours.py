"""One colour for a method on the whole site: reads the legends of the figures that notebooks have stored as SVG.

    python tools/check_colours.py                       all notebooks
    python tools/check_colours.py nbs/studies/*.ipynb   some of them

Every label of a legend that is the label of a method must stand beside the method's colour (`kfr_nb.viz.style`), whatever
was meant when the figure was drawn. Exit status 1 where one does not.
"""
import json, re, sys
from pathlib import Path
import xml.etree.ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
SVG = '{http://www.w3.org/2000/svg}'
NOT_A_COLOUR = ('none', '#ffffff', '#fff')


def stored_svgs(path):
    "Number of the cell and text of each SVG in a notebook"
    for number, cell in enumerate(json.loads(path.read_text(encoding='utf-8'))['cells']):
        for output in cell.get('outputs', []):
            svg = output.get('data', {}).get('image/svg+xml')
            if svg: yield number, ''.join(svg)


def style_colour(style):
    "The colour that a style names: of the line, else of the area; None where there is none"
    named = dict(part.split(':', 1) for part in style.split(';') if ':' in part)
    named = {k.strip(): v.strip().lower() for k, v in named.items()}
    for what in ('stroke', 'fill'):
        if named.get(what, 'none') not in NOT_A_COLOUR: return named[what]
    return None


def legend_entries(svg):
    "(label, colour) of each entry of the legends of a figure, as matplotlib writes them"
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    found = []
    for group in ET.fromstring(re.sub(r'<!DOCTYPE[^>]*>', '', svg), parser).iter(SVG+'g'):
        if not group.get('id', '').startswith('legend'): continue
        colour = None
        for part in group.iter():
            if part.tag is ET.Comment or part.tag == SVG+'text':       # letters as outlines have their text in a comment
                found.append((''.join(part.itertext()).strip(), colour))
            elif part.get('style') and part.tag in (SVG+'path', SVG+'use'): colour = style_colour(part.get('style')) or colour
    return found


def wrong_colours(svg, expected):
    "What is wrong in a figure: an entry whose colour is not that of its method"
    return [f'{label!r} is {colour}, and has to be {expected[label]}' for label, colour in legend_entries(svg)
        if label in expected and colour != expected[label]]


def method_colours():
    "Label of each method and variant: its colour"
    from matplotlib.colors import to_hex
    from kfr_nb.study import ARMS
    from kfr_nb.viz.style import method_colour
    return {ARMS[name].label: to_hex(method_colour(name)) for name in ARMS}


def check_itself(expected):
    "A figure in the right colours passes, one with two of them exchanged does not, for letters as text and as outlines"
    import io
    import matplotlib
    matplotlib.use('agg')
    import matplotlib.pyplot as plt
    (a, first), (b, second) = [(k, expected[k]) for k in ('KFR', 'Cross-entropy')]
    for letters in ('none', 'path'):
        for colours, faults in (((first, second), 0), ((second, first), 2)):
            with plt.rc_context({'svg.fonttype': letters}):
                fig, ax = plt.subplots()
                ax.plot([0, 1], [0, 1], color=colours[0], label=a)
                ax.scatter([0, 1], [1, 0], facecolor='none', edgecolor=colours[1], label=b)
                ax.legend()
                file = io.StringIO()
                fig.savefig(file, format='svg')
                plt.close(fig)
            found = wrong_colours(file.getvalue(), expected)
            if len(found) != faults: sys.exit(f'check_colours: of {faults} wrong colours it finds {found} (letters: {letters})')


def main(names):
    sys.path.insert(0, str(ROOT))
    expected = method_colours()
    check_itself(expected)
    files = [Path(n) for n in names] or sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
    figures = entries = 0
    faults = []
    for path in files:
        for number, svg in stored_svgs(path):
            figures += 1
            entries += sum(label in expected for label, _ in legend_entries(svg))
            faults += [f'{path}[{number}]: {fault}' for fault in wrong_colours(svg, expected)]
    print(*faults, f'{figures} figures, {entries} methods in their legends, {len(faults)} in a wrong colour', sep='\n')
    return 1 if faults else 0


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
