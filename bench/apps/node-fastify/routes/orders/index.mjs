import { readFile } from 'node:fs/promises';
import Handlebars from 'handlebars';

const body = {
  type: 'object',
  required: ['fruit', 'email'],
  properties: { fruit: { type: 'string', minLength: 2 }, email: { type: 'string', format: 'email' } },
};

export default async app => {
  app.post('/', { schema: { body } }, async (request, reply) => reply.code(201).send({ token: app.jwt.sign(request.body) }));
  app.get('/mine', async request => {
    await request.jwtVerify();
    return request.user.fruit;
  });
  app.get('/receipt', async (request, reply) => {
    const template = Handlebars.compile(await readFile(new URL('../../templates/receipt.hbs', import.meta.url), 'utf8'));
    return reply.type('text/plain').send(template({ fruits: ['plum', 'pear'] }));
  });
};
