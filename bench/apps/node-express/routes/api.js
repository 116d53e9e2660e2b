const router = require('express').Router();

router.get('/price/:amount', (request, response) =>
  response.send(new Intl.NumberFormat(request.query.locale, { style: 'currency', currency: 'EUR' }).format(request.params.amount)));
router.get('/when', (request, response) =>
  response.send(new Date('2024-07-01T12:00:00Z').toLocaleString(request.query.locale, { timeZone: request.query.zone, dateStyle: 'full', timeStyle: 'short' })));
router.get('/hash', async (request, response) =>
  response.json(await require('bcryptjs').compare('pw', await require('bcryptjs').hash('pw', 4))));
router.get('/token', (request, response) => {
  const jwt = require('jsonwebtoken');
  response.json(jwt.verify(jwt.sign({ user: 'ann' }, 'key'), 'key').user);
});
router.get('/encode/:codec', (request, response) => response.send(require('iconv-lite').encode('日本', request.params.codec).toString('hex')));
router.get('/worker', (request, response, next) => {
  const { Worker } = require('worker_threads');
  new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true }).on('message', n => response.json(n)).on('error', next);
});
router.get('/child', (request, response, next) =>
  require('child_process').exec('echo from-a-shell', (error, out) => (error ? next(error) : response.send(out))));
router.get('/lookup', (request, response, next) =>
  require('dns').lookup('localhost', (error, address) => (error ? next(error) : response.send(address))));
router.get('/import', async (request, response) => response.json(Object.keys(await import('node:sqlite').catch(() => import('node:zlib'))).length > 0));
router.get('/boom', () => { throw new Error('on purpose'); });

module.exports = router;
