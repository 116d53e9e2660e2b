from django.core.management.base import BaseCommand

from shop.models import Fruit


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("name")
        parser.add_argument("price")

    def handle(self, name, price, **_):
        Fruit.objects.create(name=name, price=price)
        self.stdout.write(f"{name} is there")
