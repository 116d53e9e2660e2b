import io

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode import createBarcodeDrawing
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas


def make(rows):
    out = io.BytesIO()
    page = canvas.Canvas(out, pageCompression=0)
    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    for n, row in enumerate(rows):
        page.setFont("HeiseiMin-W3" if n else "Helvetica", 12)
        page.drawString(50, 800 - 20 * n, " ".join(map(str, row)))
    renderPDF.draw(createBarcodeDrawing("QR", value="shop"), page, 50, 500)
    page.save()
    return out.getvalue()[:5].decode() + (" HeiseiMin" if b"HeiseiMin-W3" in out.getvalue() else "")
