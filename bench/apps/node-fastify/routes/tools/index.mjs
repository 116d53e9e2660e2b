export default async app => {
  app.get('/sql', async () => {
    const initSqlJs = (await import('sql.js')).default;
    const database = new (await initSqlJs()).Database();
    return database.exec('select 40 + 2')[0].values[0];
  });
  app.get('/segments', async () => [...new Intl.Segmenter('ja', { granularity: 'word' }).segment('日本語の文')].map(s => s.segment));
  app.get('/fetch', async request => (await fetch(request.query.url)).text());
  app.get('/fail', async () => { throw app.httpErrors ?? new Error('on purpose'); });
};
