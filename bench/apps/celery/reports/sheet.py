import io

import openpyxl
from openpyxl.chart import BarChart, Reference


def make(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    chart = BarChart()
    chart.add_data(Reference(book.active, min_col=2, min_row=1, max_row=len(rows)))
    book.active.add_chart(chart, "E5")
    out = io.BytesIO()
    book.save(out)
    out.seek(0)
    return f"{openpyxl.load_workbook(out).active['A1'].value} {len(out.getvalue()) > 3000}"
