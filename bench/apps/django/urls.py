from django.contrib import admin
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.contrib.humanize.templatetags.humanize import naturalday

from shop.models import Fruit


def fruits(request):
    return render(request, "shop/fruits.html", {"fruits": Fruit.objects.all(), "day": naturalday(timezone.now())})


def crash(request):
    raise ValueError("on purpose")


urlpatterns = [
    path("", fruits),
    path("crash", crash),
    path("health", lambda request: HttpResponse("fine")),
    path("admin/", admin.site.urls),
]
