import sys

from lxml import etree


def main(path):
    document = etree.parse(sys.stdin)
    print(document.xpath(path)[0].text, etree.XSLT(etree.XML(
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">ok</xsl:template></xsl:stylesheet>'
    ))(document))
