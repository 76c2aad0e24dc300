<?php

declare(strict_types=1);

// Finds the classes of this folder, generated (gen) and written (src), and those of google/protobuf where Debian puts
// them: on PHP's include path. With Composer it finds google/protobuf by itself.
spl_autoload_register(static function (string $class): void {
    $file = strtr($class, '\\', '/') . '.php';
    $places = [__DIR__ . '/gen/' . $file];
    if (str_starts_with($class, 'Ringline\\')) {
        $places[] = __DIR__ . '/src/' . substr($file, strlen('Ringline/'));
    }
    if (preg_match('/^(GPBMetadata\\\\)?Google\\\\Protobuf\\\\/', $class)) {
        $places[] = stream_resolve_include_path($file) ?: '';
    }
    foreach ($places as $place) {
        if (is_file($place)) {
            require $place;
            return;
        }
    }
});
