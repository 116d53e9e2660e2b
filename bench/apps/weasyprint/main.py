import base64
import datetime
import io
import logging

import markdown
from babel.dates import format_date
from babel.numbers import format_currency
from fastapi import FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape
from pydantic import BaseModel, Field

app = FastAPI(title="Paper")
templates = Environment(loader=FileSystemLoader("templates"), autoescape=select_autoescape(), extensions=["jinja2.ext.i18n", "jinja2.ext.do"])
logging.getLogger("weasyprint").setLevel(logging.WARNING)


class Item(BaseModel):
    name: str = Field(min_length=1)
    price: float = Field(gt=0)


class Invoice(BaseModel):
    number: int
    locale: str = "en_US"
    currency: str = "USD"
    items: list[Item]
    style: str = "plain"


def pdf(body: bytes):
    return Response(body, media_type="application/pdf")


@app.get("/health")
def health():
    return {"ok": True}


@app.post("/invoice")
def invoice(invoice: Invoice):
    from weasyprint import HTML

    page = templates.get_template("invoice.html").render(
        invoice=invoice,
        total=format_currency(sum(i.price for i in invoice.items), invoice.currency, locale=invoice.locale),
        day=format_date(datetime.date(2024, 7, 3), "full", locale=invoice.locale),
    )
    return pdf(HTML(string=page, base_url=".").write_pdf())


@app.post("/html")
async def html(request: Request, variant: str | None = None, css: str | None = None):
    from weasyprint import CSS, HTML

    body = (await request.body()).decode()
    return pdf(HTML(string=body, base_url="static/").write_pdf(pdf_variant=variant, stylesheets=[CSS(string=css)] if css else None))


@app.post("/markdown")
async def from_markdown(request: Request):
    from weasyprint import HTML

    body = markdown.markdown((await request.body()).decode(), extensions=["tables", "fenced_code", "codehilite", "footnotes"])
    return pdf(HTML(string=body).write_pdf())


@app.get("/label")
def label(text: str, font: str = "Helvetica", code: str = "Code128"):
    from reportlab.graphics.barcode import createBarcodeDrawing
    from reportlab.lib.pagesizes import A6
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen import canvas

    if font.endswith(".ttf"):
        pdfmetrics.registerFont(TTFont("Own", font))
        font = "Own"
    elif font.startswith("Heisei") or font.startswith("STSong"):
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=A6)
    page.setFont(font, 14)
    page.drawString(20, 300, text)
    createBarcodeDrawing(code, value="1234567", width=150, height=50).drawOn(page, 20, 200)
    page.save()
    return pdf(out.getvalue())


@app.get("/chart.{form}")
def chart(form: str):
    from reportlab.graphics import renderPM, renderSVG, renderPDF
    from reportlab.graphics.charts.barcharts import VerticalBarChart
    from reportlab.graphics.shapes import Drawing

    drawing = Drawing(200, 100)
    bars = VerticalBarChart()
    bars.data = [(1, 5, 3)]
    bars.width, bars.height = 180, 80
    drawing.add(bars)
    if form == "svg":
        return Response(renderSVG.drawToString(drawing), media_type="image/svg+xml")
    if form == "pdf":
        return pdf(renderPDF.drawToString(drawing))
    raise HTTPException(404, "no such form")


@app.get("/report")
def report():
    from reportlab.lib import colors
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

    out = io.BytesIO()
    styles = getSampleStyleSheet()
    table = Table([["plum", 3.5], ["pear", 2]], style=TableStyle([("GRID", (0, 0), (-1, -1), 1, colors.plum)]))
    SimpleDocTemplate(out, title="Report").build([Paragraph("Fruit <b>report</b> &euro;", styles["Heading1"]), table])
    return pdf(out.getvalue())


@app.post("/merge")
async def merge(files: list[UploadFile], password: str | None = Form(None)):
    from pypdf import PdfReader, PdfWriter
    from pypdf.errors import PdfReadError

    writer = PdfWriter()
    try:
        for file in files:
            writer.append(PdfReader(io.BytesIO(await file.read())))
    except PdfReadError as error:
        raise HTTPException(422, str(error)) from error
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return pdf(out.getvalue())


@app.post("/text")
async def text(file: UploadFile):
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(await file.read()))
    return {"pages": len(reader.pages), "text": "\n".join(p.extract_text() for p in reader.pages), "title": (reader.metadata or {}).get("/Title")}


@app.get("/qr.{form}")
def qr(text: str, form: str):
    import qrcode
    import qrcode.image.svg

    out = io.BytesIO()
    if form == "svg":
        qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage).save(out)
    else:
        qrcode.make(text).save(out, form.upper())
    return Response(out.getvalue(), media_type=f"image/{form}")


@app.get("/barcode.{form}")
def bar(text: str, form: str, kind: str = "ean13"):
    import barcode
    from barcode.writer import ImageWriter

    out = io.BytesIO()
    barcode.get(kind, text, writer=ImageWriter() if form == "png" else None).write(out)
    return Response(out.getvalue(), media_type=f"image/{form}")


@app.post("/thumbnail")
async def thumbnail(file: UploadFile, form: str = "png"):
    from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(await file.read())).convert("RGB")
    except UnidentifiedImageError as error:
        raise HTTPException(415, "not a picture") from error
    picture = ImageOps.fit(picture, (32, 32))
    ImageDraw.Draw(picture).text((2, 2), "é", font=ImageFont.truetype("DejaVuSans.ttf", 12))
    out = io.BytesIO()
    picture.save(out, form)
    return Response(out.getvalue(), media_type=f"image/{form}")


@app.get("/sheet")
def sheet():
    from openpyxl import Workbook
    from openpyxl.chart import BarChart, Reference

    book = Workbook()
    for row in (("name", "price"), ("plum", 3.5)):
        book.active.append(row)
    chart = BarChart()
    chart.add_data(Reference(book.active, min_col=2, min_row=1, max_row=2), titles_from_data=True)
    book.active.add_chart(chart, "D1")
    out = io.BytesIO()
    book.save(out)
    return Response(out.getvalue())


@app.get("/preview", response_class=HTMLResponse)
def preview(locale: str = "en"):
    return templates.get_template("preview.html").render(day=format_date(datetime.date(2024, 7, 3), "long", locale=locale), data=base64.b64encode(b"x").decode())
