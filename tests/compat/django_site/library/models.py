"""As the last migration leaves them."""

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=100)
    born = models.IntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name"], name="one_author_of_a_name")]


class Label(models.Model):
    label = models.CharField(max_length=30)


class Book(models.Model):
    title = models.CharField(max_length=200)
    author = models.ForeignKey(Author, models.CASCADE)
    pages = models.PositiveIntegerField(default=0)
    isbn = models.CharField(max_length=20, default="", db_index=True)
    stock = models.IntegerField(default=1)
    price = models.DecimalField(max_digits=8, decimal_places=2, default="9.50")
    summary = models.TextField(null=True)
    labels = models.ManyToManyField(Label)

    class Meta:
        unique_together = [("author", "title")]
        indexes = [models.Index(fields=["title", "stock"], name="title_and_stock")]


class Loan(models.Model):
    book = models.ForeignKey(Book, models.CASCADE)
    reader = models.CharField(max_length=50)
