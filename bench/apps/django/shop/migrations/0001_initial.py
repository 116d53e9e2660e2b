from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Fruit", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=50, unique=True)),
            ("price", models.DecimalField(max_digits=6, decimal_places=2)),
            ("picture", models.ImageField(blank=True)),
        ]),
    ]
