import { fileURLToPath } from 'node:url';
import path from 'node:path';
import Fastify from 'fastify';
import autoload from '@fastify/autoload';

const here = path.dirname(fileURLToPath(import.meta.url));
const app = Fastify({
  logger: process.env.PRETTY ? { transport: { target: 'pino-pretty' } } : true,
  ajv: { plugins: [(await import('ajv-formats')).default] },
});
for (const plugin of ['swagger', 'swagger-ui', 'cookie']) {
  await app.register((await import(`@fastify/${plugin}`)).default);
}
await app.register((await import('@fastify/jwt')).default, { secret: 'only for trying' });
await app.register((await import('@fastify/static')).default, { root: path.join(here, 'public'), prefix: '/public/' });
await app.register(autoload, { dir: path.join(here, 'routes'), forceESM: true });
app.get('/', () => ({ shop: 'open' }));
await app.listen({ port: 8080, host: '0.0.0.0' });
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => app.close().then(() => process.exit(0)));
