import { Hono } from 'hono'
import { greeting } from './greeting.coffee'

app = new Hono()

app.get '/', (c) -> c.text greeting(c.req.header 'x-request-id')
app.get '/ping', (c) -> c.text 'pong\n'
app.post '/echo', (c) -> c.body c.req.raw.body

export default app
