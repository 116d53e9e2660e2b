from django.db import models


class Fruit(models.Model):
    name = models.CharField(max_length=50, unique=True)
    price = models.DecimalField(max_digits=6, decimal_places=2)
    picture = models.ImageField(blank=True)

    def __str__(self):
        return self.name
