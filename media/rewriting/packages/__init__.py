"""Documents that are ZIP packages of XML: of Word, PowerPoint, Excel, LibreOffice, and books."""
