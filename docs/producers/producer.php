<?php // Submit a campaign with two recipients, then read what became of them. Needs: apt install php-cli php-redis
$url = parse_url(getenv('REDIS_URL') ?: 'redis://127.0.0.1:6379');
$r = new Redis();
$r->connect($url['host'], $url['port'] ?? 6379);
if (isset($url['pass'])) $r->auth([rawurldecode($url['user'] ?: 'default'), rawurldecode($url['pass'])]);
function submit($r, $kind, $key, $document) { // no reply, or an error: submit again with the same key
    $entry = ['v' => 1, 'kind' => $kind, 'tenant' => 'acme', 'key' => $key, 'data' => json_encode($document, JSON_THROW_ON_ERROR)];
    return $r->xAdd('mta:submit:bulk', '*', $entry) ?: throw new RuntimeException($r->getLastError());
}
submit($r, 'campaign', 'spring-php', ['id' => 'spring-php', 'from' => 'Acme <news@acme.example>',
    'subject' => 'Hi {{first|friend}}', 'text' => 'Spring is here, {{first}}!']);
submit($r, 'recipients', 'spring-php-1', ['campaign' => 'spring-php', 'columns' => ['email', 'ref', 'first'], 'last' => true,
    'rows' => [['bob@example.org', 'u-1', 'Bob'], ['eve@example.net', 'u-2', 'Eve']]]);
for ($done = false; !$done && ($answer = $r->xReadGroup('web', 'php-1', ['mta:{0}:events' => '>'], 500, 5000));)
    foreach ($answer['mta:{0}:events'] as $id => $event) {
        echo $event['event'], ' ', $event['rcpt'] ?? '', ' ', $event['why'] ?? '', "\n";
        $r->xAck('mta:{0}:events', 'web', [$id]); // once it is safe in your own database; drop an eid seen before
        $done = $done || [$event['event'], $event['campaign'] ?? ''] === ['finished', 'spring-php'];
    }
