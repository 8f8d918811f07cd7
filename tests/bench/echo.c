/* Flood ping: one ICMP echo at a time, the next when the last is answered. Prints the median round trip in us.
 *
 *   echo ADDRESS COUNT
 *
 * As ping -f, but with the median in tenths of a microsecond; ping says whole ones. Root: raw socket. */
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now_us(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1e6 + at.tv_nsec / 1e3;
}

static unsigned short sum(const unsigned short *word, int words) {
    unsigned long total = 0;
    while (words--) total += *word++;
    total = (total >> 16) + (total & 0xffff);
    return ~(total + (total >> 16));
}

static int by_size(const void *a, const void *b) {
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int count = atoi(argv[2]), kept = 0;
    double *took = malloc(sizeof *took * count);
    struct sockaddr_in to = {.sin_family = AF_INET};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    int sock = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    struct timeval patience = {.tv_sec = 1};
    if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience)) return perror("socket"), 1;
    if (connect(sock, (struct sockaddr *)&to, sizeof to)) return perror("connect"), 1;
    for (int number = 0; number < count; number++) {
        unsigned char packet[64] = {0}, answer[256];
        struct icmphdr *head = (struct icmphdr *)packet;
        head->type = ICMP_ECHO;
        head->un.echo.id = htons(getpid() & 0xffff);
        head->un.echo.sequence = htons(number & 0xffff);
        head->checksum = sum((unsigned short *)packet, sizeof packet / 2);
        double began = now_us();
        if (send(sock, packet, sizeof packet, 0) < 0) return perror("send"), 1;
        while (recv(sock, answer, sizeof answer, 0) > 0) {
            struct icmphdr *back = (struct icmphdr *)(answer + (answer[0] & 15) * 4);
            if (back->type == ICMP_ECHOREPLY && back->un.echo.id == head->un.echo.id &&
                back->un.echo.sequence == head->un.echo.sequence) {
                took[kept++] = now_us() - began;
                break;
            }
        }
    }
    if (kept < count * 9 / 10) return fprintf(stderr, "%d of %d answered\n", kept, count), 1;
    qsort(took, kept, sizeof *took, by_size);
    printf("%.2f\n", took[kept / 2]);
    return 0;
}
