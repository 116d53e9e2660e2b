from babel.dates import format_date
from dateutil import parser, rrule, tz


def main(locale, zone):
    day = parser.parse("1 July 2024 12:00 UTC").astimezone(tz.gettz(zone))
    print(format_date(day, "full", locale), day.strftime("%H:%M"), rrule.rrule(rrule.WEEKLY, dtstart=day, count=3)[-1].date())
