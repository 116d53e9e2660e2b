from django.contrib import admin

from .models import Fruit

admin.site.register(Fruit)
