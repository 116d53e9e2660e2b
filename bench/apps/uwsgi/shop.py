import logging, sqlite3, time
from flask import Flask, abort, flash, jsonify, render_template, request, session, send_file
from flask_babel import Babel, gettext, format_currency, format_datetime
import uwsgi, uwsgidecorators
app = Flask(__name__)
app.secret_key = 'x'
app.config['BABEL_TRANSLATION_DIRECTORIES'] = '/srv/shop/translations'
def locale(): return request.args.get('locale', 'en')
babel = Babel()
try: babel.init_app(app, locale_selector=locale)
except TypeError: babel.init_app(app); babel.localeselector(locale)
@app.get('/')
def home(): return 'shop'
@app.get('/page')
def page(): return render_template('page.html', title=gettext('Fruit shop'), items=['plum', '<b>'], price=format_currency(1234.5, 'EUR'), when=format_datetime(__import__('datetime').datetime(2024, 7, 1, 12), 'full'))
def engine():
    from sqlalchemy import create_engine
    return create_engine('sqlite:////data/shop.db')
@app.route('/items', methods=['GET', 'POST'])
def items():
    from sqlalchemy import Column, Integer, String, select
    from sqlalchemy.orm import declarative_base, Session
    Base = declarative_base()
    class Item(Base):
        __tablename__ = 'item'; id = Column(Integer, primary_key=True); name = Column(String)
    e = engine(); Base.metadata.create_all(e)
    with Session(e) as s:
        if request.method == 'POST': s.add(Item(name=request.get_json()['name'])); s.commit()
        return jsonify([i.name for i in s.scalars(select(Item))])
@app.get('/visits')
def visits(): session['n'] = session.get('n', 0) + 1; return str(session['n'])
@app.get('/cache')
def cache(): uwsgi.cache_update('a', b'plum', 60, 'fruit'); return uwsgi.cache_get('a', 'fruit')
@app.get('/mule')
def mule(): uwsgi.mule_msg(b'kick'); return 'sent'
@uwsgidecorators.spool
def work(a): open('/tmp/spooled.txt', 'w').write(a['name'])
@app.get('/spool')
def spool(): work.spool(name='pear'); return 'queued'
@app.get('/form')
def form():
    from wtforms import Form, StringField, validators
    class F(Form): name = StringField('Name', [validators.Length(min=4)])
    f = F(request.args); f.meta.locales = ['de']
    class G(Form):
        class Meta: locales = ['de']
        name = StringField('Name', [validators.Length(min=4)])
    g = G(request.args); g.validate(); return jsonify(g.errors)
@app.get('/markdown')
def md(): import markdown; return markdown.markdown('# A\n\n|a|b|\n|-|-|\n|1|2|\n\n```\nx\n```', extensions=['tables', 'fenced_code', 'toc'])
@app.get('/fetch')
def fetch():
    import requests
    return requests.get(request.args['url'], timeout=5).text
@app.get('/zone')
def zone():
    import pytz, zoneinfo, datetime
    z = request.args['name']; d = datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.timezone.utc)
    return d.astimezone(zoneinfo.ZoneInfo(z)).isoformat() + ' ' + d.astimezone(pytz.timezone(z)).strftime('%Z')
@app.get('/encode/<c>')
def encode(c): return '日本'.encode(c).hex()
@app.get('/loud')
def loud(): return 'quiet'
@app.get('/zip')
def zipped(): return 'plum ' * 500
@app.get('/secret')
def secret(): return 'hidden ' + request.remote_user
@app.get('/boom')
def boom(): raise RuntimeError('on purpose')
@app.errorhandler(404)
def nothing(e): return render_template('missing.html'), 404
@app.cli.command('report')
def report(): print('report done')
