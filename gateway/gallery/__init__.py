"""The gallery: web pages to search the library, generate pictures, play recordings and read texts."""
