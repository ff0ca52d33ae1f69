// Submit a campaign with two recipients, then read what became of them. Needs: npm install (package redis)
import { createClient } from 'redis'

const r = await createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' }).connect()
const submit = (kind, key, document) => // no reply, or an error: submit again with the same key
  r.xAdd('mta:submit:bulk', '*', { v: '1', kind, tenant: 'acme', key, data: JSON.stringify(document) })

await submit('campaign', 'spring-js', { id: 'spring-js', from: 'Acme <news@acme.example>',
  subject: 'Hi {{first|friend}}', text: 'Spring is here, {{first}}!' })
await submit('recipients', 'spring-js-1', { campaign: 'spring-js', columns: ['email', 'ref', 'first'], last: true,
  rows: [['bob@example.org', 'u-1', 'Bob'], ['eve@example.net', 'u-2', 'Eve']] })
const next = () => r.xReadGroup('web', 'node-1', { key: 'mta:{0}:events', id: '>' }, { COUNT: 500, BLOCK: 5000 })
for (let done = false, answer; !done && (answer = await next());)
  for (const { id, message: event } of answer[0].messages) {
    console.log(event.event, event.rcpt ?? '', event.why ?? '')
    await r.xAck('mta:{0}:events', 'web', id) // once it is safe in your own database; drop an eid seen before
    done ||= event.event === 'finished' && event.campaign === 'spring-js'
  }
await r.close()
