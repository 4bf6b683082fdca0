import { zValidator } from '@hono/zod-validator';
import { Hono } from 'hono';
import { z } from 'zod';
import { execute } from './database.ts';

const { WORKER_ID = '?', APP_NAME = '?' } = process.env;
const app = new Hono();

app.get('/', (c) => c.text(`DuckDB in worker ${WORKER_ID} of ${APP_NAME}, request ${c.req.header('x-request-id')}\n`));
app.get('/ping', (c) => c.text('pong\n'));
app.post('/echo', (c) => c.body(c.req.raw.body));

const query = z.object({ sql: z.string().min(1).max(10_000) });

app.post('/api/execute', zValidator('json', query), async (c) => {
  try {
    return c.json(await execute(c.req.valid('json').sql));
  } catch (error) {
    return c.json({ error: (error as Error).message }, 400);
  }
});

export default app;
