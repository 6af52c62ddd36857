-- Requests for wrk from a table that the bench wrote: method, headers, bodies in turn, and whether the last octets of
-- a body are a nonce. The figures are printed as one line of JSON.
local order = dofile(os.getenv("BENCH_ORDER"))
local NONCE_OCTETS = 16
local prepared, turn, started = {}, 0, os.time()

function init()
  wrk.method = order.method or "GET"
  for name, value in pairs(order.headers or {}) do wrk.headers[name] = value end
  if order.nonce then return end
  for _, body in ipairs(order.bodies or {}) do
    prepared[#prepared + 1] = wrk.format(nil, nil, nil, body)
  end
  if #prepared == 0 then prepared[1] = wrk.format() end
end

function request()
  turn = turn + 1
  if order.nonce then
    local body = order.bodies[1]
    local nonce = string.format("%08x%08x", started % 2 ^ 32, turn % 2 ^ 32)
    return wrk.format(nil, nil, nil, body:sub(1, #body - NONCE_OCTETS) .. nonce)
  end
  return prepared[turn % #prepared + 1]
end

function done(summary, latency, _)
  local failed = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed.status,
    failed.connect + failed.read + failed.write + failed.timeout))
end
