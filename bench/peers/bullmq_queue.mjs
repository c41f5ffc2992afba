// BullMQ on the same server, the same work: load so many prioritised jobs with a payload, then add, take and
// complete some, one call in flight. Prints one JSON document.
//
//   node bullmq_queue.mjs REDIS_URL OPEN CALLS BYTES
import { randomBytes } from 'node:crypto'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const [url, open, calls, bytes] = [process.argv[2], ...process.argv.slice(3).map(Number)]
const address = new URL(url)
const place = address.protocol === 'unix:' ? { path: address.pathname } : { host: address.hostname, port: +address.port }
const connect = () => new Redis({ ...place, maxRetriesPerRequest: null })
const client = connect()
await client.flushall('SYNC')
const queue = new Queue('bench', { connection: connect() })
const worker = new Worker('bench', null, { connection: connect(), autorun: false, lockDuration: 900_000 })
const used = async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))[1])
const payload = () => ({ record: randomBytes(bytes * 3 / 4).toString('base64') })
const job = n => ({ name: 'review', data: payload(), opts: { jobId: `decision-${n}`, priority: 1 + (n * 7919) % 2_000_000 } })
const percentiles = samples => {
  samples.sort((a, b) => a - b)
  return [0.5, 0.95, 0.99].map(q => samples[Math.min(samples.length - 1, Math.floor(q * samples.length))])
}
const timed = async (count, call) => {
  const samples = []
  for (let n = 0; n < count; n++) {
    const begin = process.hrtime.bigint()
    await call(n)
    samples.push(Number(process.hrtime.bigint() - begin) / 1e6)
  }
  return percentiles(samples)
}

await queue.waitUntilReady()
await worker.waitUntilReady()
const before = await used()
let loading = 0
for (let start = 0; start < open; start += 1000) {
  const jobs = Array.from({ length: Math.min(1000, open - start) }, (_, i) => job(start + i))
  const begin = Date.now()
  await queue.addBulk(jobs)
  loading += Date.now() - begin
}
const each = (await used() - before) / open
const taken = []
const result = {
  enqueue: await timed(calls, n => { const { name, data, opts } = job(open + n); return queue.add(name, data, opts) }),
  claim: await timed(calls, async n => { taken.push(await worker.getNextJob(`token-${n}`)) }),
  decide: await timed(calls, n => taken[n].moveToCompleted({ action: 'approve' }, `token-${n}`, false)),
  load: open / (loading / 1000),
  each
}
console.log(JSON.stringify(result))
process.exit(0)
