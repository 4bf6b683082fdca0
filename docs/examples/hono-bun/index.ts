import { zValidator } from '@hono/zod-validator';
import { Hono } from 'hono';
import { z } from 'zod';
import { lawFirms } from './lawfirms.ts';

const { WORKER_ID = '?', APP_NAME = '?' } = process.env;
const app = new Hono();

app.get('/', (c) => c.text(`Hono in worker ${WORKER_ID} of ${APP_NAME}, request ${c.req.header('x-request-id')}\n`));
app.get('/ping', (c) => c.text('pong\n'));
app.post('/echo', (c) => c.body(c.req.raw.body));

const search = z.object({
  city: z.string().min(2).optional(),
  limit: z.coerce.number().int().min(1).max(50).default(10),
});

app.get('/lawfirms', zValidator('query', search), (c) => {
  const { city, limit } = c.req.valid('query');
  return c.json(lawFirms(limit, city));
});

export default app;
